// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include <libshrink/bridge/follow-load.h>

#ifdef HAVE_BPF
static const unsigned char object[] __attribute__((aligned(8))) = {
#include <libshrink/bridge/follow-object.h>
};

int shrink_follow_load(struct shrink_bpf *bpf, unsigned int groups_max,
		       int (*fn)(void *arg, void *record, size_t size), void *arg, char *reason,
		       size_t size)
{
	const struct shrink_bpf_source source = {object, sizeof(object), "groups", groups_max};
	int r = shrink_bpf_open(bpf, &source, fn, arg, reason, size);

	if (!r && bpf->nr_skipped)
		snprintf(reason, size, "this kernel lacks %s", bpf->skipped);
	return r;
}
#else
int shrink_follow_load(struct shrink_bpf *bpf, unsigned int groups_max,
		       int (*fn)(void *arg, void *record, size_t size), void *arg, char *reason,
		       size_t size)
{
	(void)bpf;
	(void)groups_max;
	(void)fn;
	(void)arg;
	snprintf(reason, size, "not built in");
	return -EOPNOTSUPP;
}
#endif

int shrink_follow_add(struct shrink_bpf *bpf, uint64_t group)
{
	const uint32_t one = 1;

	return shrink_bpf_set(bpf, "groups", &group, sizeof(group), &one, sizeof(one));
}

int shrink_follow_remove(struct shrink_bpf *bpf, uint64_t group)
{
	return shrink_bpf_unset(bpf, "groups", &group, sizeof(group));
}
