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
#include <libshrink/reclaim/wmark.h>
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
	src->next_sample = 0;
	return 0;
}

static void rss_close(struct shrink_source *src)
{
	shrink_os_close(fd);
	fd = -1;
	src->gauge = NULL;
}

/* As with MemAvailable, nobody tells us. */
static int rss_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	struct shrink_gauge_reading reading;
	struct shrink_wmark w;
	uint64_t room;
	int r = rss_read(&rss_gauge, 0, &reading);

	if (r < 0)
		return shrink_source_fail(src, r, "/proc/self/status: %s", strerror(-r));
	src->next_sample = now + SHRINK_TUN(sample_max) * NSEC_PER_USEC;
	if (reading.limit == UINT64_MAX)
		return 0;
	w = shrink_wmark(reading.limit, 0);
	room = shrink_sub_u64(reading.limit, reading.usage);
	if (room < w.low)
		sig->recheck = 1;
	if (room < shrink_mul_div(w.high, 2, 1))
		sig->hint = 1;
	return 0;
}

const struct shrink_source_ops shrink_source_rss = {
	.name = "rss",
	.open = rss_open,
	.close = rss_close,
	.sample = rss_sample,
};
