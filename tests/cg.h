/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Real groups for tests: children of the test's own, made and removed here. Knows
 * nothing of the library, so that it can be the other side of its tests.
 */
#ifndef TESTS_CG_H
#define TESTS_CG_H

#include <stdint.h>
#include <sys/types.h>

struct cg {
	char dir[4096];
	int version; /* of its hierarchy: 1 or 2 */
};

/* A child group of our own one in the hierarchy of the v1 memory controller;
 * limit in bytes, 0 = none, read back. NULL, or why it cannot be had here. */
const char *cg_create_v1(struct cg *cg, const char *name, uint64_t limit);
/* The same in the cgroup2 hierarchy, whatever controllers that has. */
const char *cg_create_v2(struct cg *cg, const char *name);
/* One with memory.max, and without swap. */
const char *cg_create_v2_limited(struct cg *cg, const char *name, uint64_t limit);
/* With a limit of memory and without swap, in whichever hierarchy has the memory
 * controller here. */
const char *cg_create_limited(struct cg *cg, const char *name, uint64_t limit);
/* The same of either version. What could not be read is UINT64_MAX; how often usage
 * has met the limit; how many processes were killed for memory. */
int cg_set_limit(const struct cg *cg, uint64_t limit);
uint64_t cg_limit(const struct cg *cg);
uint64_t cg_usage(const struct cg *cg);
uint64_t cg_limit_hits(const struct cg *cg);
uint64_t cg_oom_kills(const struct cg *cg);
/* Removes it; the calling process goes back to the parent, and what still runs
 * inside, since nobody else has put it there, is killed. */
void cg_remove(struct cg *cg);

/* Moves a process (0 = the calling one) into it. 0, or -1 with errno. */
int cg_move(const struct cg *cg, pid_t pid);
int cg_write(const struct cg *cg, const char *file, const char *text);
/* First number in the file, or UINT64_MAX. */
uint64_t cg_number(const struct cg *cg, const char *file);

/* Executes @argv inside the group, first in line for the OOM killer. The process
 * id; cg_remove() reaps it if nobody has. */
pid_t cg_spawn(const struct cg *cg, char *const argv[]);

#endif /* TESTS_CG_H */
