/* SPDX-License-Identifier: MIT */
/* Between loop.c, the cache, and loop-*.c, each of which is one kind of main loop. */
#ifndef EXAMPLES_LOOP_H
#define EXAMPLES_LOOP_H

#include <stdbool.h>

#define PATIENCE_MSEC 10000 /* a loop ends after this at the latest */

/* Waits, besides for all a server waits for, until @fd can be read, and serves then;
 * returns 0 once that was enough, or negative. */
int run_loop(int fd);
/* loop.c: true = enough is freed, the loop may end */
bool serve(void);

#endif /* EXAMPLES_LOOP_H */
