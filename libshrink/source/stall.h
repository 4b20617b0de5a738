/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Stall within a sliding window, from a counter that only grows: a calculator,
 * with the approximation the kernel's own PSI triggers use. Within a window the
 * growth since its start counts, and of the growth of the window before, the part
 * that still overlaps:
 *
 *	growth = value - start_value + previous * (window - elapsed) / window
 */
#ifndef SHRINK_SOURCE_STALL_H
#define SHRINK_SOURCE_STALL_H

#include <stdint.h>

struct shrink_stall {
	uint64_t start;    /* clock, usec */
	uint64_t value;    /* of the counter at start, usec */
	uint64_t previous; /* growth of the window before, usec */
};

/* Begins a window here. */
void shrink_stall_begin(struct shrink_stall *stall, uint64_t now_usec, uint64_t value);
/* Growth within the last @window_usec; begins a new window when this one is over. */
uint64_t shrink_stall_growth(struct shrink_stall *stall, uint64_t now_usec, uint64_t value,
			     uint64_t window_usec);

/* The two totals of a PSI file's text, usec. -EINVAL: no such text. A file without
 * the line "full" has full 0. */
int shrink_stall_parse(const char *text, uint64_t *ret_some, uint64_t *ret_full);

#endif /* SHRINK_SOURCE_STALL_H */
