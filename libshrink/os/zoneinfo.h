/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Memory nodes by themselves: free pages against the kernel's own watermarks, and
 * what else of a node could be had. For workers that serve one node.
 *
 * Two files, since the price differs:
 *
 *	/proc/zoneinfo			watermarks; grows with zones times processors,
 *					and changes only when somebody tunes the
 *					system or fragmentation boosts it
 *	.../node/nodeN/meminfo		free and file pages; one short text
 *
 * The kernel's rules, per zone and for a user's allocation (which leaves in each
 * zone what is kept for allocations that can use only that one, "protection"):
 *
 *	kswapd is woken		when no zone of the node is above low
 *	kswapd goes to sleep	when some zone is above high
 *
 * so above_low is 0 exactly when the former holds, and above_high is not when the
 * latter does. On a machine whose page cache fills its memory free pages are near
 * low all day, and kswapd takes cache; that is no shortage. shrink_node_available()
 * is the number that falls only when there is one.
 */
#ifndef SHRINK_OS_ZONEINFO_H
#define SHRINK_OS_ZONEINFO_H

#include <stddef.h>
#include <stdint.h>

#include <libshrink/os/numa.h>

/* All in bytes, added up over the zones of the node; 0 everywhere: no memory. */
struct shrink_node_zones {
	uint64_t managed;        /* what the page allocator has there */
	uint64_t free;
	uint64_t min, low, high; /* watermarks, the kernel's boost among them */
	uint64_t reserve;        /* of managed, what users never get: high and protection */
	uint64_t above_low;      /* free pages over low and protection, zone by zone, */
	uint64_t above_high;     /*	and over high */
	uint64_t file;           /* on the file lists, active and inactive */
	uint64_t dirty;          /* of these: dirty or in write-back */
	uint64_t slab;           /* reclaimable slab and its like */
	uint64_t listed;         /* on processors' own lists: free too, though not in @free */
};

struct shrink_zoneinfo {
	int nr_nodes; /* highest id seen + 1 */
	struct shrink_node_zones node[SHRINK_NODES_MAX];
};

/* Descriptor of /proc/zoneinfo, or a negative errno. */
int shrink_os_zoneinfo_open(void);
/* Any thread, no allocation; from tens of usec to a ms on machines with hundreds of
 * processors. Negative errno; -EINVAL: no zone in it. */
int shrink_os_zoneinfo_read(int fd, struct shrink_zoneinfo *ret_info);

/* The parser. Lines come in one by one, without their newline; begin with a zeroed
 * state. Pages become bytes of @page_size. Pure. */
struct shrink_zone_state {
	int nid;             /* of the zone the lines belong to, once any is set */
	int any;
	uint64_t managed, free, min, low, high, protection, listed; /* of that zone, pages */
};
void shrink_zoneinfo_line(struct shrink_zoneinfo *info, struct shrink_zone_state *state,
			  const char *line, uint64_t page_size);
/* Adds the last zone. */
void shrink_zoneinfo_end(struct shrink_zoneinfo *info, struct shrink_zone_state *state,
			 uint64_t page_size);

/* /sys/devices/system/node/nodeN/meminfo, in bytes. */
struct shrink_node_meminfo {
	uint64_t total, free, file, dirty, slab;
};

/* Descriptor, or a negative errno (-ENOENT: no such node, or no NUMA). */
int shrink_os_node_open(int nid);
/* Any thread, no allocation, some 20 usec. */
int shrink_os_node_read(int fd, int nid, struct shrink_node_meminfo *ret_info);
/* Its parser: pure; -EINVAL. */
int shrink_node_meminfo_parse(const char *text, int nid, struct shrink_node_meminfo *ret_info);

/* What users could still get of a node without swapping: MemAvailable of the one
 * node, by the kernel's own estimate (free less reserve, and of cache and slab what
 * is over half of it or over low). @zones for the watermarks, may be of a while
 * ago; @now may be NULL: all from @zones. Pure. */
uint64_t shrink_node_available(const struct shrink_node_zones *zones,
			       const struct shrink_node_meminfo *now);

/* Bit n for node n, from a list such as "0-1,3" in /sys/devices/system/node/@which:
 * "online", "has_memory", "has_cpu". Without the file: node 0 alone, 0. Ids from
 * SHRINK_NODES_MAX on are left out. At start only. */
int shrink_os_nodes(const char *which, uint64_t *ret_mask);
/* The parser of such a list: pure; -EINVAL. */
int shrink_node_list_parse(const char *text, uint64_t *ret_mask);

#endif /* SHRINK_OS_ZONEINFO_H */
