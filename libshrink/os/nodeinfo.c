// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* One node's numbers, and which nodes there are: /sys/devices/system/node. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/zoneinfo.h>

#define NODES "/sys/devices/system/node"

int shrink_os_node_open(int nid)
{
	char path[64];

	snprintf(path, sizeof(path), NODES "/node%d/meminfo", nid);
	return shrink_os_open(path, O_RDONLY);
}

/* "Node 0 MemFree:  5520444 kB" */
static int field(const char *text, int nid, const char *name, uint64_t *ret_bytes)
{
	char key[48];

	snprintf(key, sizeof(key), "Node %d %s", nid, name);
	return shrink_parse_field(text, key, ret_bytes);
}

int shrink_node_meminfo_parse(const char *text, int nid, struct shrink_node_meminfo *ret_info)
{
	uint64_t active = 0, inactive = 0, dirty = 0, writeback = 0, slab = 0, total, free;

	if (field(text, nid, "MemTotal", &total) < 0 || field(text, nid, "MemFree", &free) < 0)
		return -EINVAL;
	field(text, nid, "Active(file)", &active);
	field(text, nid, "Inactive(file)", &inactive);
	field(text, nid, "Dirty", &dirty);
	field(text, nid, "Writeback", &writeback);
	if (field(text, nid, "KReclaimable", &slab) < 0) /* before 4.20 */
		field(text, nid, "SReclaimable", &slab);
	*ret_info = (struct shrink_node_meminfo){
		.total = total,
		.free = free,
		.file = shrink_add_u64(active, inactive),
		.dirty = shrink_add_u64(dirty, writeback),
		.slab = slab,
	};
	return 0;
}

int shrink_os_node_read(int fd, int nid, struct shrink_node_meminfo *ret_info)
{
	char text[4096];
	ssize_t n = shrink_os_pread(fd, text, sizeof(text));

	return n < 0 ? (int)n : shrink_node_meminfo_parse(text, nid, ret_info);
}

/* Of cache, the kernel counts on half, or on all but the low watermark's worth. */
static uint64_t counted_on(uint64_t cache, uint64_t low)
{
	return cache - shrink_min_u64(cache / 2, low);
}

uint64_t shrink_node_available(const struct shrink_node_zones *zones,
			       const struct shrink_node_meminfo *now)
{
	uint64_t free = now ? now->free : zones->free;
	uint64_t cache = counted_on(now ? now->file : zones->file, zones->low);
	uint64_t slab = counted_on(now ? now->slab : zones->slab, zones->low);
	uint64_t sum = shrink_add_u64(shrink_add_u64(free, cache), slab);

	return shrink_sub_u64(sum, zones->reserve);
}

static uint64_t bits(uint64_t first, uint64_t last)
{
	uint64_t mask = 0;

	for (uint64_t n = first; n <= last && n < SHRINK_NODES_MAX; n++)
		mask |= 1ULL << n;
	return mask;
}

int shrink_node_list_parse(const char *text, uint64_t *ret_mask)
{
	uint64_t mask = 0, first, last;
	const char *p = text;

	while (*p && *p != '\n') {
		if (shrink_parse_u64(&p, &first) < 0)
			return -EINVAL;
		last = first;
		if (*p == '-' && (p++, shrink_parse_u64(&p, &last) < 0))
			return -EINVAL;
		if (last < first || (*p && *p != ',' && *p != '\n'))
			return -EINVAL;
		p += *p == ',';
		mask |= bits(first, last);
	}
	*ret_mask = mask;
	return 0;
}

int shrink_os_nodes(const char *which, uint64_t *ret_mask)
{
	char path[64], text[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), NODES "/%s", which);
	fd = shrink_os_open(path, O_RDONLY);
	if (fd == -ENOENT) {
		*ret_mask = 1;
		return 0;
	}
	if (fd < 0)
		return fd;
	n = shrink_os_pread(fd, text, sizeof(text));
	shrink_os_close(fd);
	return n < 0 ? (int)n : shrink_node_list_parse(text, ret_mask);
}
