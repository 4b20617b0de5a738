/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * /dev/shrink: caches of a process as real shrinkers of the kernel. What the module
 * shrink_bridge and its users agree on; docs/kernel-bridge.md tells the story.
 *
 * Each open file is a session, and belongs to the process that opened it: anybody
 * else, a forked child too, gets EPERM. A session's caches are shrinkers of the kernel.
 *
 *   1. SHRINK_BRIDGE_REGISTER makes a shrinker and gives its index.
 *   2. mmap() of one page at offset index * page size: struct shrink_bridge_page. The
 *      process keeps the number of its freeable objects there; the kernel reads it
 *      whenever it counts, and believes nothing beyond SHRINK_BRIDGE_COUNT_MAX.
 *   3. SHRINK_BRIDGE_BIND, for a cache that is to be asked for the caller's memory
 *      group alone: once for each node, from a thread that runs there. A cache with
 *      SHRINK_BRIDGE_GROUP is not asked before that.
 *   4. poll() says POLLIN while there are requests; read() takes as many whole ones as
 *      fit, each for one node of one cache. The kernel does not wait for them.
 *   5. write() of results: what was freed. A request is answered once, with its own
 *      sequence number; while it is out, what else is wanted of that node adds up
 *      behind it.
 *
 * The kernel takes (objects counted - asked for) for what is left, and hears of what
 * was freed when it asks the next time.
 */
#ifndef SHRINK_BRIDGE_ABI_H
#define SHRINK_BRIDGE_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SHRINK_BRIDGE_NAME_MAX 48
#define SHRINK_BRIDGE_NODES 64
#define SHRINK_BRIDGE_CACHES 64          /* of one session */
/* Objects of one node that the kernel believes in. A pass over a shrinker is as long as
 * what it says it has, and a liar must not keep the kernel busy: with the smallest
 * batch this is 65536 calls, some milliseconds. What is behind it is asked for when that
 * has gone. */
#define SHRINK_BRIDGE_COUNT_MAX (1ULL << 22)
#define SHRINK_BRIDGE_BATCH_MIN 64

#define SHRINK_BRIDGE_NUMA 1u  /* objects belong to nodes; else all are node 0's */
#define SHRINK_BRIDGE_GROUP 2u /* asked for the memory group it is bound to only */

struct shrink_bridge_register {
	__u32 flags;
	__u32 seeks;     /* as of struct shrinker; at most 1024 */
	__u32 batch;     /* 0 = the kernel's own, else at least SHRINK_BRIDGE_BATCH_MIN */
	__u32 ret_index; /* written by the kernel */
	char name[SHRINK_BRIDGE_NAME_MAX]; /* printable, ends with NUL */
};

struct shrink_bridge_page {
	__u64 count[SHRINK_BRIDGE_NODES];
};

struct shrink_bridge_request {
	__u64 seq;
	__u64 objects;
	__u32 index;
	__u32 nid;
};

struct shrink_bridge_result {
	__u64 seq;
	__u64 freed; /* objects; more than were asked for are not believed */
	__u32 index;
	__u32 nid;
};

struct shrink_bridge_bind {
	__u32 index;
	__u32 ret_nid; /* the node that is served now */
};

struct shrink_bridge_cache_stats {
	__u32 index;
	__u32 pad;
	__u64 counts;  /* times the kernel asked how many there are */
	__u64 scans;   /* times it asked for some to go */
	__u64 scanned; /* objects in those */
	__u64 posted;  /* of these, put into requests */
	__u64 freed;   /* objects that results told, and the kernel was told of */
	__u64 owed;    /* told by results, the kernel not yet */
};

/* The version of all this, for SHRINK_BRIDGE_VERSION; another one is another interface. */
#define SHRINK_BRIDGE_ABI 1

#define SHRINK_BRIDGE_REGISTER _IOWR('%', 0x50, struct shrink_bridge_register)
#define SHRINK_BRIDGE_UNREGISTER _IO('%', 0x51) /* the argument is the index */
#define SHRINK_BRIDGE_BIND _IOWR('%', 0x52, struct shrink_bridge_bind)
#define SHRINK_BRIDGE_STATS _IOWR('%', 0x53, struct shrink_bridge_cache_stats)
#define SHRINK_BRIDGE_VERSION _IOR('%', 0x54, __u32)

#endif /* SHRINK_BRIDGE_ABI_H */
