// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>
#include <libshrink/os/mem.h>

int shrink_os_meminfo_open(void)
{
	return shrink_os_open_warm("/proc/meminfo");
}

int shrink_meminfo_parse(const char *text, struct shrink_meminfo *ret_info)
{
	struct shrink_meminfo info = {0};

	if (shrink_parse_field(text, "MemTotal", &info.total) < 0 ||
	    shrink_parse_field(text, "MemAvailable", &info.available) < 0)
		return -EINVAL; /* before 3.14 there is no MemAvailable */
	shrink_parse_field(text, "SwapTotal", &info.swap_total);
	shrink_parse_field(text, "SwapFree", &info.swap_free);
	*ret_info = info;
	return 0;
}

int shrink_os_meminfo_read(int fd, struct shrink_meminfo *ret_info)
{
	char text[4096];
	ssize_t n = shrink_os_pread(fd, text, sizeof(text));

	return n < 0 ? (int)n : shrink_meminfo_parse(text, ret_info);
}

int shrink_os_vmstat_open(void)
{
	return shrink_os_open("/proc/vmstat", O_RDONLY);
}

struct reclaim {
	uint64_t sum;
	unsigned int fields;
};

/* One sum of all that says so; on some kernels the names end in the zone's. */
static int add_reclaim(void *arg, char *line)
{
	static const char *const names[] = {"allocstall", "pgscan_kswapd"};
	const char *number = strchr(line, ' ');
	struct reclaim *r = arg;
	uint64_t value;

	for (size_t i = 0; number && i < SHRINK_ARRAY_SIZE(names); i++) {
		const char *p = number + 1;

		if (strncmp(line, names[i], strlen(names[i])) || shrink_parse_u64(&p, &value) < 0)
			continue;
		r->sum = shrink_add_u64(r->sum, value);
		r->fields++;
	}
	return 0;
}

int shrink_os_vmstat_reclaim(int fd, uint64_t *ret_sum)
{
	struct reclaim reclaim = {0};
	int r = shrink_os_lines_at(fd, add_reclaim, &reclaim);

	if (r < 0)
		return r;
	if (!reclaim.fields)
		return -EINVAL;
	*ret_sum = reclaim.sum;
	return 0;
}

int shrink_os_rss_open(void)
{
	return shrink_os_open_warm("/proc/self/status");
}

int shrink_rss_parse(const char *text, uint64_t *ret_rss)
{
	uint64_t anon, shmem;

	if (shrink_parse_field(text, "RssAnon", &anon) < 0 ||
	    shrink_parse_field(text, "RssShmem", &shmem) < 0)
		return -EINVAL; /* before 4.5 they are one number with file pages */
	*ret_rss = shrink_add_u64(anon, shmem);
	return 0;
}

int shrink_os_rss_read(int fd, uint64_t *ret_rss)
{
	char text[4096];
	ssize_t n = shrink_os_pread(fd, text, sizeof(text));

	return n < 0 ? (int)n : shrink_rss_parse(text, ret_rss);
}

int shrink_os_smaps_open(void)
{
	return shrink_os_open("/proc/self/smaps_rollup", O_RDONLY);
}

uint64_t shrink_filters_parse(const char *text)
{
	uint64_t filters = 0;

	if (shrink_parse_field(text, "Seccomp_filters", &filters) < 0)
		shrink_parse_field(text, "Seccomp", &filters);
	return filters;
}

uint64_t shrink_os_filters_read(int fd)
{
	char text[4096];

	if (fd < 0 || shrink_os_pread(fd, text, sizeof(text)) < 0)
		return 0;
	return shrink_filters_parse(text);
}

int shrink_os_swapped_read(int fd, uint64_t *ret_bytes)
{
	char text[4096];
	ssize_t n = shrink_os_pread(fd, text, sizeof(text));

	if (n < 0)
		return (int)n;
	return shrink_parse_field(text, "VmSwap", ret_bytes);
}

uint64_t shrink_os_page_size(void)
{
	long size = sysconf(_SC_PAGESIZE);

	return size > 0 ? (uint64_t)size : 4096;
}
