/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Rounds for nothing, one after the other: what the monitor backs off by. */
#ifndef SHRINK_RECLAIM_BACKOFF_H
#define SHRINK_RECLAIM_BACKOFF_H

#include <shrink/stats.h>

/* A round has ended that freed so many bytes. Any thread. */
void shrink_backoff_learn(const struct shrink_round *round, uint64_t freed);
/* Fruitless rounds in a row, and when the last round of any kind ended. */
unsigned int shrink_backoff_row(uint64_t *ret_when);
void shrink_backoff_reset(void);

#endif /* SHRINK_RECLAIM_BACKOFF_H */
