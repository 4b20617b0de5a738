/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * PSI triggers: so much stall within a window, in the kernel's own notation
 *
 *	some 70000 1000000	at least one thread stalled, 70 ms within 1 s
 *	full 700000 1000000	all of them
 *
 * and lists of them with the level each stands for. What the kernel permits depends
 * on its version and on privilege, and versions lie (backports): so it is tried.
 */
#ifndef SHRINK_SOURCE_TRIGGER_H
#define SHRINK_SOURCE_TRIGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shrink/reclaim.h>

#define SHRINK_TRIGGERS_MAX 8
#define SHRINK_TRIGGER_WINDOW_MAX 10000000ULL

struct shrink_trigger {
	bool full;
	uint64_t stall, window; /* usec; 0 < stall <= window <= 10 s */
	enum shrink_level level;
};

/* One trigger at *@text; advances it. The level is LOW. -EINVAL: no trigger, or one
 * the kernel would refuse from anybody. Pure. */
int shrink_trigger_parse(const char **text, struct shrink_trigger *ret_trigger);

/* A list "some 70000 1000000 low; full 700000 1000000 critical", empty items left
 * out. Number of triggers; -EINVAL; -ENOSPC: more than SHRINK_TRIGGERS_MAX. Pure. */
int shrink_triggers_parse(const char *text, struct shrink_trigger ret[SHRINK_TRIGGERS_MAX]);

/* The list where none is given: some at @stall low and at twice that medium, full at
 * four times critical (full of a group with one runnable thread is the same as some,
 * so it has to be much more before it means what it says). Number. Pure. */
int shrink_triggers_default(uint64_t stall, uint64_t window,
			    struct shrink_trigger ret[SHRINK_TRIGGERS_MAX]);

/* Sets it on the PSI file @path: with its window; else, stall in proportion, with one
 * of 500 ms where that is longer (before 6.5), else with the next multiple of 2 s,
 * which needs no privilege. A descriptor to wait for EPOLLPRI on, or the negative
 * errno of the last try. *@ret_set, where not NULL, gets the one in force. */
int shrink_trigger_set(const char *path, const struct shrink_trigger *trigger,
		       struct shrink_trigger *ret_set);

#endif /* SHRINK_SOURCE_TRIGGER_H */
