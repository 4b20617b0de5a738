// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/bridge/bridge.h>
#include <libshrink/bridge/follow-load.h>
#include <libshrink/bridge/helper.h>
#include <libshrink/bridge/perf.h>

/* One monitor, one bridge. */
static struct {
	struct shrink_bpf bpf;
	uint64_t groups[FOLLOW_GROUPS_MAX];
	int nr_groups;
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

static bool is_among(const uint64_t *groups, int nr, uint64_t group)
{
	for (int i = 0; i < nr; i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* These groups and no others; those that stay are followed without a gap. */
static int trace_follow(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	int r = 0;

	for (int i = 0; i < trace.nr_groups; i++)
		if (!is_among(who->groups, who->nr, trace.groups[i]))
			(void)shrink_follow_remove(&trace.bpf, trace.groups[i]);
	trace.nr_groups = 0;
	for (int i = 0; i < who->nr && i < FOLLOW_GROUPS_MAX && !r; i++) {
		r = shrink_follow_add(&trace.bpf, who->groups[i]);
		trace.groups[trace.nr_groups++] = who->groups[i];
	}
	if (r < 0)
		snprintf(reason, size, "groups: %s", strerror(-r));
	return r;
}

static int trace_open(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	int r;

	memset(&trace, 0, sizeof(trace));
	r = shrink_follow_load(&trace.bpf, FOLLOW_GROUPS_MAX, sample, NULL, reason, size);
	if (r < 0)
		return r;
	r = trace_follow(who, reason, size);
	if (r < 0)
		shrink_bpf_close(&trace.bpf);
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

static const struct shrink_bridge_ops bpf_ops = {
	.name = "bpf",
	.mode = SHRINK_BRIDGE_BPF,
	.open = trace_open,
	.close = trace_close,
	.fd = trace_fd,
	.take = trace_take,
	.moved = trace_follow,
};

static const struct shrink_bridge_ops helper_ops = {
	.name = "helper",
	.mode = SHRINK_BRIDGE_HELPER,
	.open = shrink_helper_open,
	.close = shrink_helper_close,
	.fd = shrink_helper_fd,
	.take = shrink_helper_take,
	.due = shrink_helper_due,
	.chore = shrink_helper_chore,
};

static const struct shrink_bridge_ops perf_ops = {
	.name = "perf",
	.mode = SHRINK_BRIDGE_PERF,
	.open = shrink_perf_open,
	.close = shrink_perf_close,
	.fd = shrink_perf_fd,
	.take = shrink_perf_take,
	.moved = shrink_perf_moved,
	.due = shrink_perf_due,
	.chore = shrink_perf_chore,
};

static const struct shrink_bridge_ops *const ladder[] = {
	&shrink_bridge_module,
	&bpf_ops,
	&helper_ops,
	&perf_ops,
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

		if (!wanted(mode, ladder[i]))
			continue;
		r = ladder[i]->open(who, why, sizeof(why));
		if (*why && used < size)
			used += (size_t)snprintf(reason + used, size - used, "%s%s: %s",
						 used ? "; " : "", ladder[i]->name, why);
		if (!r)
			return ladder[i];
		*ret_err = r;
	}
	return NULL;
}
