// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/bridge/bpf.h>
#include <libshrink/bridge/bridge.h>
#include <libshrink/bridge/perf.h>

#ifdef HAVE_BPF
static const unsigned char object[] __attribute__((aligned(8))) = {
#include <libshrink/bridge/follow-object.h>
};

/* One monitor, one bridge. */
static struct {
	struct shrink_bpf bpf;
	shrink_bridge_fn fn;
	void *arg;
} trace;

static int sample(void *arg, void *record, size_t size)
{
	(void)arg;
	if (size >= sizeof(struct follow_event) && trace.fn)
		trace.fn(trace.arg, record);
	return 0;
}

static int add_groups(const uint64_t *groups, int nr)
{
	const uint32_t one = 1;
	int r = 0;

	for (int i = 0; i < nr && !r; i++)
		r = shrink_bpf_set(&trace.bpf, "groups", &groups[i], sizeof(groups[i]), &one,
				   sizeof(one));
	return r;
}

static int trace_open(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	int r;

	memset(&trace, 0, sizeof(trace));
	r = shrink_bpf_open(&trace.bpf, object, sizeof(object), sample, NULL, reason, size);
	if (r < 0)
		return r;
	r = add_groups(who->groups, who->nr);
	if (r < 0) {
		snprintf(reason, size, "groups: %s", strerror(-r));
		shrink_bpf_close(&trace.bpf);
	} else if (trace.bpf.nr_skipped) {
		snprintf(reason, size, "this kernel lacks %s", trace.bpf.skipped);
	}
	return r;
}

static void trace_close(void)
{
	shrink_bpf_close(&trace.bpf);
}

static int trace_fd(void)
{
	return shrink_bpf_fd(&trace.bpf);
}

static int trace_take(shrink_bridge_fn fn, void *arg)
{
	trace.fn = fn;
	trace.arg = arg;
	return shrink_bpf_consume(&trace.bpf);
}
#else
static int trace_open(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	(void)who;
	snprintf(reason, size, "not built in");
	return -EOPNOTSUPP;
}

static void trace_close(void)
{
}

static int trace_fd(void)
{
	return -EBADF;
}

static int trace_take(shrink_bridge_fn fn, void *arg)
{
	(void)fn;
	(void)arg;
	return 0;
}
#endif

static int module_open(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	(void)who;
	snprintf(reason, size, "not in this version");
	return -EOPNOTSUPP;
}

static const struct shrink_bridge_ops ladder[] = {
	{"module", SHRINK_BRIDGE_MODULE, module_open, trace_close, trace_fd, trace_take, NULL,
	 NULL},
	{"bpf", SHRINK_BRIDGE_BPF, trace_open, trace_close, trace_fd, trace_take, NULL, NULL},
	{"perf", SHRINK_BRIDGE_PERF, shrink_perf_open, shrink_perf_close, shrink_perf_fd,
	 shrink_perf_take, shrink_perf_due, shrink_perf_chore},
};

static bool wanted(enum shrink_bridge_mode mode, const struct shrink_bridge_ops *ops)
{
	return mode == ops->mode || mode == SHRINK_BRIDGE_AUTO ||
	       (mode == SHRINK_BRIDGE_TRACE && ops->mode != SHRINK_BRIDGE_MODULE);
}

const struct shrink_bridge_ops *shrink_bridge_open(enum shrink_bridge_mode mode,
						   const struct shrink_bridge_who *who,
						   char *reason, size_t size, int *ret_err)
{
	size_t used = 0;

	*ret_err = -EOPNOTSUPP;
	*reason = '\0';
	for (size_t i = 0; i < sizeof(ladder) / sizeof(*ladder); i++) {
		char why[128] = "";
		int r;

		if (!wanted(mode, &ladder[i]))
			continue;
		r = ladder[i].open(who, why, sizeof(why));
		if (*why && used < size)
			used += (size_t)snprintf(reason + used, size - used, "%s%s: %s",
						 used ? "; " : "", ladder[i].name, why);
		if (!r)
			return &ladder[i];
		*ret_err = r;
	}
	return NULL;
}
