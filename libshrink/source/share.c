// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdatomic.h>

#include <libshrink/base/bits.h>
#include <libshrink/reclaim/round.h>
#include <libshrink/source/share.h>

#define WAIT_MIN_NSEC (2 * NSEC_PER_MSEC)
#define WAIT_MAX_NSEC (100 * NSEC_PER_MSEC)

/* part | others << 16: one word, so that the two are of one look */
static _Atomic uint32_t shared = SHRINK_SHARE_ALL;

uint32_t shrink_share_of(uint64_t own, uint64_t others, int nr)
{
	uint64_t all = shrink_add_u64(own, others), part, least;

	if (nr <= 0)
		return SHRINK_SHARE_ALL;
	least = shrink_max_u64(SHRINK_SHARE_ALL / 4 / (uint64_t)(nr + 1), 1);
	part = all ? shrink_mul_div(own, SHRINK_SHARE_ALL, all) : 0;
	/* rounded up: parts that add up to less than all leave a rest to nobody */
	return (uint32_t)shrink_clamp_u64(part + 1, least, SHRINK_SHARE_ALL);
}

/* Our turn is over: how long the others may take. */
static void end_turn(struct shrink_turns *t, uint64_t now, int nr, uint64_t random)
{
	uint64_t took = shrink_sub_u64(now, t->begin);
	uint64_t wait = shrink_clamp_u64(shrink_mul_div(took, (uint64_t)nr, 1), WAIT_MIN_NSEC,
					 WAIT_MAX_NSEC);

	t->running = false;
	t->wait_until = now + wait - wait / 4 + random % (wait / 2);
}

bool shrink_share_turn(struct shrink_turns *t, uint64_t now, uint64_t need, bool critical,
		       uint32_t part, int nr, uint64_t random, uint32_t *ret_share)
{
	bool worse = need > t->need;

	if (nr <= 0 || part >= SHRINK_SHARE_ALL) {
		*ret_share = SHRINK_SHARE_ALL;
		return true;
	}
	if (t->running)
		end_turn(t, now, nr, random);
	if (!worse && !critical && now < t->wait_until)
		return false;
	if (!worse && need > t->need - t->need / 4)
		t->doubled += part << t->doubled < SHRINK_SHARE_ALL;
	else
		t->doubled = 0;
	*ret_share = (uint32_t)shrink_min_u64((uint64_t)part << t->doubled, SHRINK_SHARE_ALL);
	t->need = need;
	t->begin = now;
	t->running = true;
	return true;
}

void shrink_share_set(uint32_t part, int nr)
{
	uint32_t others = nr < 0 ? 0 : nr > 0xffff ? 0xffff : (uint32_t)nr;

	atomic_store_explicit(&shared, part | others << 16, memory_order_relaxed);
}

uint32_t shrink_share_get(int *ret_nr)
{
	uint32_t v = atomic_load_explicit(&shared, memory_order_relaxed);

	*ret_nr = (int)(v >> 16);
	return v & 0xffff;
}
