/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The process's own memory group and its ancestors, v1, v2 or hybrid: found once,
 * files kept open, read by position. /proc/self/cgroup and mountinfo decide;
 * libcgroup, where built in, is only asked for a second opinion, since it is
 * wrong under bind-mounted and namespaced hierarchies.
 */
#ifndef SHRINK_OS_CGROUP_H
#define SHRINK_OS_CGROUP_H

#include <stdint.h>

#include <shrink/reclaim.h>

#define SHRINK_CGROUP_LEVELS 16
#define SHRINK_CGROUP_PATH 1024

/* One group on the way from our own to the top of what is mounted. */
struct shrink_cgroup_level {
	char dir[SHRINK_CGROUP_PATH]; /* as mounted, below the sysroot */
	int usage_fd;                 /* memory.usage_in_bytes | memory.current */
	int limit_fd;                 /* memory.limit_in_bytes | memory.max */
	int high_fd;                  /* memory.high, v2 only, else -1 */
	int stat_fd;                  /* memory.stat */
	uint64_t limit_last;          /* as read last, UINT64_MAX = none or never: what holds */
	uint64_t high_last;           /*	while they cannot be read; atomic */
};

struct shrink_cgroup {
	int version;                  /* of the memory controller: 1, 2; 0 = none */
	int nr_levels;                /* [0] is our own, or the nearest visible ancestor */
	struct shrink_cgroup_level level[SHRINK_CGROUP_LEVELS];
	char unified[SHRINK_CGROUP_PATH]; /* own v2 folder (PSI, events), "" = none */
	char reason[160];             /* why there is none, or what is left out */
};

struct shrink_cgroup_usage {
	uint64_t limit;       /* UINT64_MAX = no level has one */
	uint64_t usage;
	uint64_t slack;       /* how much further it may go until the next limit that is not
			       * memory.high is reached, of any level; UINT64_MAX = none */
	uint64_t reclaimable; /* clean page cache and lazily freed; 0 unless @exact */
	enum shrink_limit_kind kind;
	int level;
};

/* Finds the group and opens its files; may allocate. 0, or -ENODEV with
 * cg->reason set. Of a tree deeper than the table, levels without a limit are left
 * out first; reason says how many. */
int shrink_os_cgroup_open(struct shrink_cgroup *cg);
void shrink_os_cgroup_close(struct shrink_cgroup *cg);

/* The level with the least headroom, limits read afresh; no limit anywhere: our
 * own. @exact also reads memory.stat of each level that has a limit, and compares
 * by what is left of the usage without what the kernel can take: an ancestor full
 * of strangers' page cache must not hide our own lack. Any thread, no allocation.
 * Negative errno where no level could be read (-ENODEV: the group was removed). */
int shrink_os_cgroup_read(const struct shrink_cgroup *cg, int exact,
			  struct shrink_cgroup_usage *ret_usage);

/* What the kernel can take by itself, from a memory.stat text: file pages that
 * are neither dirty nor in write-back (lazily freed ones are among them). v1's
 * hierarchical total_* fields where @version is 1. Pure. */
uint64_t shrink_os_cgroup_reclaimable(const char *stat, int version);

/* What the file of a limit says; UINT64_MAX: none, or it cannot be read. Any thread. For
 * levels of a shrink_cgroup see below. */
uint64_t shrink_os_cgroup_limit_at(int fd);

/* What the kernel can take of one level now; 0 where it cannot be read. Any thread. */
uint64_t shrink_os_cgroup_level_reclaimable(const struct shrink_cgroup *cg, int level);

/* The limit of one level now: the tighter of memory.max and memory.high, v1's
 * memory.limit_in_bytes; UINT64_MAX = none. Where they cannot be read, what they said
 * last: the kernel allocates to show a file, and may fail to when there is no memory, which
 * is no moment to forget the limit. Any thread. */
uint64_t shrink_os_cgroup_level_limit(const struct shrink_cgroup_level *level);

/* Number of other processes, in our group's level @level (0 = our own) and all groups
 * below that, in which libshrink has been started, as far as they can be seen; *@ret_rss,
 * where not NULL, gets what they keep resident (anonymous and shared, bytes). A negative
 * errno where the group's processes cannot be listed. Opens files, allocates and takes its
 * time (some 10 usec for each thread in the group): never on the monitor. */
int shrink_os_cgroup_peers(const struct shrink_cgroup *cg, int level, uint64_t *ret_rss);

/* One group by its folder, v1 or v2 by the files it has. The caller's until
 * close_dir(), which takes NULL. 0; -ENOENT: no memory files there; -ENOMEM. */
int shrink_os_cgroup_open_dir(const char *dir, struct shrink_cgroup_level **ret_level);
void shrink_os_cgroup_close_dir(struct shrink_cgroup_level *level);

#endif /* SHRINK_OS_CGROUP_H */
