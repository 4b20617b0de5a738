// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The machine's memory. MemAvailable is the kernel's own estimate of what can be
 * had without swapping, with the page cache it can take already counted in; so all
 * of the usage below is unreclaimable, and there is nothing dearer to read.
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

static int memavailable_read(struct shrink_gauge *gauge, int exact,
			     struct shrink_gauge_reading *ret)
{
	struct shrink_meminfo info;
	int r = shrink_os_meminfo_read(fd, &info);

	(void)gauge;
	(void)exact;
	if (r < 0)
		return r;
	*ret = (struct shrink_gauge_reading){
		.limit = info.total,
		.usage = shrink_sub_u64(info.total, info.available),
		.kind = SHRINK_LIMIT_MEMORY,
		.path = "",
	};
	return 0;
}

static struct shrink_gauge memavailable_gauge = {
	.name = "memavailable",
	.read = memavailable_read,
};

static int memavailable_open(struct shrink_source *src)
{
	struct shrink_meminfo info;
	int r;

	fd = -1;
	src->nr_fds = 0;
	if (!SHRINK_TUN(memavailable))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	r = shrink_os_meminfo_open();
	if (r < 0)
		return shrink_source_fail(src, r, "/proc/meminfo: %s", strerror(-r));
	fd = r;
	r = shrink_os_meminfo_read(fd, &info);
	if (r < 0) {
		shrink_os_close(fd);
		fd = -1;
		return shrink_source_fail(src, r, "/proc/meminfo has no MemAvailable");
	}
	src->gauge = &memavailable_gauge;
	src->next_sample = 0;
	return 0;
}

static void memavailable_close(struct shrink_source *src)
{
	shrink_os_close(fd);
	fd = -1;
	src->gauge = NULL;
}

/* No descriptor tells us when it gets low: look now and then, and have the gauges
 * looked at often once it is within reach of the watermark. */
static int memavailable_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	struct shrink_gauge_reading reading;
	struct shrink_wmark w;
	uint64_t room;
	int r = memavailable_read(&memavailable_gauge, 0, &reading);

	if (r < 0)
		return shrink_source_fail(src, r, "/proc/meminfo: %s", strerror(-r));
	src->next_sample = now + SHRINK_TUN(sample_max) * NSEC_PER_USEC;
	w = shrink_wmark(reading.limit, 0);
	room = reading.limit - reading.usage;
	if (room < w.low)
		sig->recheck = 1;
	if (room < shrink_mul_div(w.high, 2, 1))
		sig->hint = 1;
	return 0;
}

const struct shrink_source_ops shrink_source_memavailable = {
	.name = "memavailable",
	.open = memavailable_open,
	.close = memavailable_close,
	.sample = memavailable_sample,
};
