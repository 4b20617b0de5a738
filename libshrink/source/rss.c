// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A budget for what this process keeps resident, set by configuration: for systems
 * where no group limits it. Anonymous and shared memory only; file pages are the
 * kernel's to take.
 */
#include <errno.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/source/source.h>

static int fd = -1;

static int rss_read(struct shrink_gauge *gauge, int exact, struct shrink_gauge_reading *ret)
{
	uint64_t budget = SHRINK_TUN(rss_budget), rss;
	int r = shrink_os_rss_read(fd, &rss);

	(void)gauge;
	(void)exact;
	if (r < 0)
		return r;
	*ret = (struct shrink_gauge_reading){
		.limit = budget ? budget : UINT64_MAX, /* taken back at run time */
		.usage = rss,
		.kind = SHRINK_LIMIT_RSS,
		.path = "",
	};
	return 0;
}

static struct shrink_gauge rss_gauge = {
	.name = "rss",
	.read = rss_read,
};

static int rss_open(struct shrink_source *src)
{
	uint64_t rss;
	int r;

	fd = -1;
	src->nr_fds = 0;
	if (!SHRINK_TUN(rss_budget))
		return shrink_source_fail(src, -ECANCELED, "no rss_budget configured");
	r = shrink_os_rss_open();
	if (r < 0)
		return shrink_source_fail(src, r, "/proc/self/status: %s", strerror(-r));
	fd = r;
	r = shrink_os_rss_read(fd, &rss);
	if (r < 0) {
		shrink_os_close(fd);
		fd = -1;
		return shrink_source_fail(src, r, "/proc/self/status has no RssAnon");
	}
	src->gauge = &rss_gauge;
	src->next_sample = UINT64_MAX; /* gauges are sampled all together */
	return 0;
}

static void rss_close(struct shrink_source *src)
{
	shrink_os_close(fd);
	fd = -1;
	src->gauge = NULL;
}

const struct shrink_source_ops shrink_source_rss = {
	.name = "rss",
	.open = rss_open,
	.close = rss_close,
};
