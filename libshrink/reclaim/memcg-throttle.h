/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The delay for charging over high (contract 4.5). With over the excess as a
 * fraction of high in 20 bits,
 *
 *	msec = over * over * 1000 >> 20 >> 14,	times pages / 64,	at most 2 s
 *
 * and 10 ms or less is not worth a sleep. The worst of all ancestors counts.
 */
#ifndef SHRINK_RECLAIM_MEMCG_THROTTLE_H
#define SHRINK_RECLAIM_MEMCG_THROTTLE_H

#include <stdint.h>

struct shrink_memcg;

/* Pure: usec to sleep for @pages charged at this usage; 0 = none. */
uint64_t shrink_throttle_usec(uint64_t usage, uint64_t high, uint64_t pages);
/* This thread has charged so many bytes to a group that is over high. */
void shrink_throttle_owe(struct shrink_memcg *memcg, uint64_t bytes);

#endif /* SHRINK_RECLAIM_MEMCG_THROTTLE_H */
