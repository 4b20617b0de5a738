// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdatomic.h>

#include <libshrink/reclaim/backoff.h>

/* A round that freed without anything coming back costs the cache more than one
 * that freed nothing, so it counts like so many of these in a row. */
#define FRAGMENTED_ROW 5

/* Written by the thread that leads, read by the monitor: each by itself will do. */
static _Atomic unsigned int row;
static _Atomic uint64_t when;

static unsigned int next_row(unsigned int now, const struct shrink_round *round, uint64_t freed)
{
	if (round->end == SHRINK_ROUND_FRAGMENTED || round->end == SHRINK_ROUND_SHARED)
		return (now > FRAGMENTED_ROW ? now : FRAGMENTED_ROW) + 1;
	return round->end == SHRINK_ROUND_FRUITLESS && !freed ? now + 1 : 0;
}

void shrink_backoff_learn(const struct shrink_round *round, uint64_t freed)
{
	if (!round->end_nsec) /* there was nothing to do */
		return;
	atomic_store(&row, next_row(atomic_load(&row), round, freed));
	atomic_store(&when, round->end_nsec);
}

unsigned int shrink_backoff_row(uint64_t *ret_when)
{
	*ret_when = atomic_load(&when);
	return atomic_load(&row);
}

void shrink_backoff_reset(void)
{
	atomic_store(&row, 0);
}
