/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Loop mode: between start.c and loop.c. */
#ifndef SHRINK_API_LOOP_H
#define SHRINK_API_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* The monitor is open. 0, or a negative errno and nothing is left. */
int shrink_loop_start(void);
/* The gate is shut. -ETIMEDOUT: a dispatch hangs in a callback beyond @usec; what it
 * uses stays, and shrink_loop_hangs() is true, until it returns. */
int shrink_loop_stop(uint64_t usec);
bool shrink_loop_hangs(void);
/* This thread is inside shrink_dispatch(). */
bool shrink_loop_inside(void);
void shrink_loop_fork_child(void);

#endif /* SHRINK_API_LOOP_H */
