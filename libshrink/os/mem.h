/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The machine's memory and this process's, from files kept open. */
#ifndef SHRINK_OS_MEM_H
#define SHRINK_OS_MEM_H

#include <stdint.h>

/* /proc/meminfo */
struct shrink_meminfo {
	uint64_t total, available, swap_total, swap_free; /* bytes */
};

int shrink_os_meminfo_open(void);               /* descriptor or negative errno */
int shrink_os_meminfo_read(int fd, struct shrink_meminfo *ret_info);
/* Their parsers, here and below: pure; -EINVAL. */
int shrink_meminfo_parse(const char *text, struct shrink_meminfo *ret_info);

/* /proc/vmstat: how much the machine as a whole has reclaimed, of any kind of memory: direct
 * reclaims plus pages kswapd has looked at. It stands still where only groups reclaim, for
 * their own limits. -EINVAL: no such fields. */
int shrink_os_vmstat_open(void);
int shrink_os_vmstat_reclaim(int fd, uint64_t *ret_sum);

/* /proc/self/status: RssAnon + RssShmem, bytes. Bound to the process that opened
 * it: open again in a forked child. */
int shrink_os_rss_open(void);
int shrink_os_rss_read(int fd, uint64_t *ret_rss);
int shrink_rss_parse(const char *text, uint64_t *ret_rss);

/* /proc/self/smaps_rollup: bound to the process as well. Descriptor or negative errno. */
int shrink_os_smaps_open(void);

/* From the same file: how many filters of system calls there are on the main thread (or,
 * before 5.9, whether there are any). 0 also where it cannot be read. */
uint64_t shrink_os_filters_read(int fd);
uint64_t shrink_filters_parse(const char *text);
/* And what of this process has been swapped out, bytes; negative errno. */
int shrink_os_swapped_read(int fd, uint64_t *ret_bytes);

uint64_t shrink_os_page_size(void);

#endif /* SHRINK_OS_MEM_H */
