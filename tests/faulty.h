/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The kernel's files as a test makes them up, in memory, and each may fail in every way
 * there is: it cannot be opened, it cannot be read, reads are cut short, or it lies.
 * For programs linked with $(FAULTY), by which the linker puts this in front of the
 * system calls. One thread.
 */
#ifndef TESTS_FAULTY_H
#define TESTS_FAULTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault {
	WELL,
	/* harmless: whoever does it right does not notice */
	OPEN_EINTR, READ_EINTR, READ_SHORT,
	/* it cannot be opened; who has it open reads on, as in the kernel */
	OPEN_ENOENT, OPEN_EACCES, OPEN_EIO, OPEN_ENODEV, OPEN_EMFILE, OPEN_ENFILE, OPEN_ENOMEM,
	/* it cannot be read */
	READ_EIO, READ_ENODEV, READ_EAGAIN, READ_ENOMEM,
	/* it lies */
	EMPTY, GARBAGE, CUT, HUGE_NUMBER,
	FAULTS
};
#define FIRST_OPEN OPEN_ENOENT
#define FIRST_READ READ_EIO
#define FIRST_LIE  EMPTY

enum file {
	/* the machine's */
	SELF_CGROUP, MOUNTINFO, STATUS, MEMINFO, VMSTAT, ZONEINFO, NODE0, NODE1, EVENTFD,
	/* a group's, in the unified hierarchy */
	PRESSURE, GROUP_EVENTS,
	/* with the v2 memory controller */
	CURRENT, MAX, HIGH, STAT, EVENTS, PROCS, SWAP_CURRENT, SWAP_MAX,
	/* with that of v1 */
	USAGE1, LIMIT1, STAT1, PROCS1, MEMSW_USAGE, MEMSW_LIMIT, CONTROL, LEVEL1, OOM1,
	FILES
};

#define GROUPS 2
extern const char *const faulty_group[GROUPS]; /* "/a", "/b": below each hierarchy's mount */

/* What is wrong with which; of all groups alike. */
extern enum fault faulty[FILES];
/* Could not be opened when that was tried last, and will not be missed: ENOENT, EACCES. */
extern bool faulty_given_up[FILES];

/* @compose: the file's text now. @version: of the memory controller. */
void faulty_begin(uint64_t seed, int version,
		  void (*compose)(enum file f, int group, char *text, size_t size));
const char *faulty_name(enum file f);
/* Some file there is in this version. */
enum file faulty_draw(void);

#endif /* TESTS_FAULTY_H */
