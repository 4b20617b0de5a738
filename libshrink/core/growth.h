/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Growth: what an allocator's slow path says before memory is touched, so that the
 * monitor looks before the next sample is due. The distance to the low watermark is the
 * monitor's last look; growth since then is taken off it here. Never reclaims, waits or
 * allocates: it may be called under an allocator's locks.
 */
#ifndef SHRINK_CORE_GROWTH_H
#define SHRINK_CORE_GROWTH_H

#include <stdint.h>

/* @bytes are about to be touched for the first time. Wakes the monitor, once, where they
 * would cross the watermark. Any context but a signal handler. */
void shrink_growth(uint64_t bytes);

/* Monitor: so far is the low watermark now; UINT64_MAX = no limit is known. */
void shrink_growth_publish(uint64_t distance);
/* Who is to be woken; NULL = nobody any more. */
void shrink_growth_on_crossing(void (*wake)(void));

#endif /* SHRINK_CORE_GROWTH_H */
