// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdatomic.h>
#include <stddef.h>

#include <libshrink/core/growth.h>

/* Signed, since many may take at once; beyond half the range nothing is near. */
#define FAR (INT64_MAX / 2)

static _Atomic int64_t left = FAR;
static void (*_Atomic crossed)(void);

void shrink_growth(uint64_t bytes)
{
	int64_t take = bytes > (uint64_t)FAR ? FAR : (int64_t)bytes;
	int64_t before = atomic_load_explicit(&left, memory_order_relaxed);
	void (*wake)(void);

	if (before >= FAR)
		return; /* no limit is known: no line is written for nothing */
	before = atomic_fetch_sub_explicit(&left, take, memory_order_relaxed);
	/* only who crosses wakes; the monitor's look publishes anew */
	if (before < 0 || before >= take)
		return;
	wake = atomic_load_explicit(&crossed, memory_order_acquire);
	if (wake)
		wake();
}

void shrink_growth_publish(uint64_t distance)
{
	atomic_store_explicit(&left, distance > (uint64_t)FAR ? FAR : (int64_t)distance,
			      memory_order_relaxed);
}

void shrink_growth_on_crossing(void (*wake)(void))
{
	atomic_store_explicit(&crossed, wake, memory_order_release);
	if (!wake)
		shrink_growth_publish(UINT64_MAX);
}
