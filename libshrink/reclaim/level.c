// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdatomic.h>

#include <shrink/fast.h>
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/core/core.h>
#include <libshrink/core/growth.h>
#include <libshrink/reclaim/level.h>

/* On a line of its own: every hit of every cache may read it. */
static struct {
	struct shrink_fast fast;
	_Atomic uint64_t room;
} SHRINK_ALIGNED page = {.fast = {.may_grow = 1}, .room = UINT64_MAX};

static _Atomic uint64_t hold_until; /* clock; 0 = not held */
static _Atomic uint64_t holdoffs;
/* monitor only */
static uint64_t regrow_since; /* the last hold ended then; 0 = no ramp */

const struct shrink_fast *shrink_fast_page(void)
{
	return &page.fast;
}

int shrink_may_grow(void)
{
	return shrink_fast_may_grow(&page.fast);
}

enum shrink_level shrink_level(void)
{
	return (enum shrink_level)__atomic_load_n(&page.fast.level, __ATOMIC_RELAXED);
}

uint64_t shrink_level_room(void)
{
	if (!shrink_may_grow())
		return 0;
	return atomic_load_explicit(&page.room, memory_order_relaxed);
}

enum shrink_level shrink_level_of(const struct shrink_headroom *h, enum shrink_level before)
{
	if (!h->known)
		return SHRINK_LEVEL_NORMAL;
	if (h->free < h->wmark.low / (before >= SHRINK_LEVEL_CRITICAL ? 4 : 8))
		return SHRINK_LEVEL_CRITICAL;
	if (h->free < h->wmark.low / 4 * (before >= SHRINK_LEVEL_MEDIUM ? 3 : 2))
		return SHRINK_LEVEL_MEDIUM;
	if (h->free < h->wmark.low || (before > SHRINK_LEVEL_NORMAL && h->need))
		return SHRINK_LEVEL_LOW;
	return SHRINK_LEVEL_NORMAL;
}

static void set_may_grow(uint32_t yes)
{
	__atomic_store_n(&page.fast.may_grow, yes, __ATOMIC_RELAXED);
}

void shrink_level_hold(uint64_t now)
{
	uint64_t until = now + SHRINK_TUN(holdoff) * NSEC_PER_MSEC;

	if (!atomic_exchange_explicit(&hold_until, until, memory_order_relaxed))
		atomic_fetch_add_explicit(&holdoffs, 1, memory_order_relaxed);
	set_may_grow(0);
}

/* After a hold room grows from nothing by the tunable's share of the limit in
 * each second, so that all caches together cannot jump into the wall again. */
static uint64_t ramp(uint64_t now, const struct shrink_headroom *h)
{
	uint64_t per_sec, room;

	if (!regrow_since || !h->known)
		return UINT64_MAX;
	per_sec = shrink_mul_div(h->limit, SHRINK_TUN(regrow), 100);
	room = shrink_mul_div(per_sec, now - regrow_since, NSEC_PER_SEC);
	if (room >= h->limit)
		regrow_since = 0;
	return room;
}

void shrink_level_publish(uint64_t now, enum shrink_level level, const struct shrink_headroom *h)
{
	uint64_t until, room;

	if (__atomic_exchange_n(&page.fast.level, (uint32_t)level, __ATOMIC_RELAXED) !=
	    (uint32_t)level)
		shrink_level_changed();
	if (level > SHRINK_LEVEL_NORMAL)
		shrink_level_hold(now);
	until = atomic_load_explicit(&hold_until, memory_order_relaxed);
	/* A round may hold anew at the same moment; then its hold stands */
	if (until && now >= until &&
	    atomic_compare_exchange_strong_explicit(&hold_until, &until, 0, memory_order_relaxed,
						    memory_order_relaxed)) {
		regrow_since = now;
		set_may_grow(1);
		if (atomic_load_explicit(&hold_until, memory_order_relaxed))
			set_may_grow(0);
	}
	shrink_growth_publish(h->known ? shrink_sub_u64(h->free, h->wmark.low) : UINT64_MAX);
	room = h->known ? shrink_sub_u64(h->free, h->wmark.high) : UINT64_MAX;
	room = shrink_min_u64(room, ramp(now, h));
	atomic_store_explicit(&page.room, room, memory_order_relaxed);
	shrink_room_turn(now);
}

uint64_t shrink_level_next(void)
{
	uint64_t until = atomic_load_explicit(&hold_until, memory_order_relaxed);

	return until ? until : UINT64_MAX;
}

uint64_t shrink_level_holdoffs(void)
{
	return atomic_load_explicit(&holdoffs, memory_order_relaxed);
}

void shrink_level_reset(void)
{
	shrink_growth_publish(UINT64_MAX);
	atomic_store_explicit(&hold_until, 0, memory_order_relaxed);
	atomic_store_explicit(&page.room, UINT64_MAX, memory_order_relaxed);
	regrow_since = 0;
	if (__atomic_exchange_n(&page.fast.level, (uint32_t)SHRINK_LEVEL_NORMAL,
				__ATOMIC_RELAXED) != SHRINK_LEVEL_NORMAL)
		shrink_level_changed();
	set_may_grow(1);
}
