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
	src->next_sample = UINT64_MAX; /* gauges are sampled all together */
	return 0;
}

static void memavailable_close(struct shrink_source *src)
{
	shrink_os_close(fd);
	fd = -1;
	src->gauge = NULL;
}

const struct shrink_source_ops shrink_source_memavailable = {
	.name = "memavailable",
	.open = memavailable_open,
	.close = memavailable_close,
};
