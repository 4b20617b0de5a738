// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The page allocator's own view: each memory node's free pages against its watermarks,
 * and what else could be had there.
 *
 * MemAvailable says the same of the machine, in one number and cheaper, but it is one of
 * the files that containers are shown a made-up copy of, and kernels before 3.14 do not
 * have it. So this gauge speaks where that one cannot, and otherwise only makes usage be
 * sampled more often while some node has little left.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/zoneinfo.h>
#include <libshrink/source/source.h>

#define PERIOD_MIN_NSEC (100 * NSEC_PER_MSEC)
#define PERIOD_MAX_NSEC (2 * NSEC_PER_SEC)

static struct shrink_source *self;
static int fd = -1;

static int zones_read(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	uint64_t managed = 0, available = 0;
	struct shrink_zoneinfo info;
	int r;

	(void)gauge;
	(void)exact;
	*ret = (struct shrink_gauge_reading){
		.limit = UINT64_MAX, .kind = SHRINK_LIMIT_MEMORY, .path = ""};
	if (__atomic_load_n(&self->muted, __ATOMIC_RELAXED))
		return 0;
	r = shrink_os_zoneinfo_read(fd, &info);
	if (r < 0)
		return r;
	for (int i = 0; i < info.nr_nodes; i++) {
		managed = shrink_add_u64(managed, info.node[i].managed);
		available = shrink_add_u64(available, shrink_node_available(&info.node[i], NULL));
	}
	ret->limit = managed;
	ret->usage = shrink_sub_u64(managed, available);
	return 0;
}

static struct shrink_gauge zones_gauge = {
	.name = "zones",
	.read = zones_read,
};

/* A node from which little could be had: less than twice what its high watermark keeps. */
static bool is_short(const struct shrink_node_zones *node)
{
	return node->managed && shrink_node_available(node, NULL) < 2 * node->high;
}

static int zones_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	struct shrink_zoneinfo info;
	int r = shrink_os_zoneinfo_read(fd, &info);

	if (r < 0)
		return shrink_source_fail(src, r, "/proc/zoneinfo: %s", strerror(-r));
	src->next_sample = now + PERIOD_MAX_NSEC;
	for (int i = 0; i < info.nr_nodes; i++)
		if (is_short(&info.node[i]))
			sig->hint = 1;
	if (sig->hint)
		src->next_sample = now + PERIOD_MIN_NSEC;
	return 0;
}

static void zones_close(struct shrink_source *src)
{
	shrink_os_close(fd);
	fd = -1;
	src->gauge = NULL;
}

static int zones_open(struct shrink_source *src)
{
	struct shrink_zoneinfo info;
	int r;

	fd = -1;
	self = src;
	src->nr_fds = 0;
	if (!SHRINK_TUN(zones))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	r = fd = shrink_os_zoneinfo_open();
	if (r >= 0)
		r = shrink_os_zoneinfo_read(fd, &info);
	if (r < 0) {
		zones_close(src);
		return shrink_source_fail(src, r, "/proc/zoneinfo: %s", strerror(-r));
	}
	src->gauge = &zones_gauge;
	src->next_sample = 0;
	return 0;
}

const struct shrink_source_ops shrink_source_zones = {
	.name = "zones",
	.open = zones_open,
	.close = zones_close,
	.sample = zones_sample,
	.yields_to = &shrink_source_memavailable,
};
