/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/epoch.h"

#include "examples/kvcached/clock.h"

static uint64_t last_cas;
static uint64_t flush_cas;  /* items with a smaller cas are gone */
static uint32_t flush_when; /* 0, or: items stored before it are gone by then */

uint64_t epoch_next(void)
{
	return __atomic_add_fetch(&last_cas, 1u, __ATOMIC_RELAXED);
}

void items_flush(uint32_t when)
{
	if (when && when > clock_now()) {
		__atomic_store_n(&flush_when, when, __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&flush_when, 0u, __ATOMIC_RELAXED);
	__atomic_store_n(&flush_cas, epoch_next(), __ATOMIC_RELAXED);
}

bool items_alive(const struct item *it, uint32_t now)
{
	uint32_t when = __atomic_load_n(&flush_when, __ATOMIC_RELAXED);

	if (it->expires && it->expires <= now)
		return false;
	if (when && when <= now && it->stored < when)
		return false;
	return it->cas >= __atomic_load_n(&flush_cas, __ATOMIC_RELAXED);
}
