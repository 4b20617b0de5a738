// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <shrink/lruvec.h>
#include <libshrink/base/bits.h>
#include <libshrink/lru/balance.h>

#define CARRY_SHIFT 16

static uint64_t of_kind(const struct shrink_balance_in *in, int kind)
{
	return in->size[kind][SHRINK_INACTIVE] + in->size[kind][SHRINK_ACTIVE];
}

static void only(struct shrink_balance *ret, int kind)
{
	ret->share[kind] = ret->denominator = 1;
	ret->share[!kind] = 0;
	ret->equal = false;
}

static void weigh(const struct shrink_balance_in *in, struct shrink_balance *ret)
{
	uint64_t clean = in->cost[SHRINK_KIND_CLEAN], dirty = in->cost[SHRINK_KIND_DIRTY];
	uint64_t sum = clean + dirty;

	ret->share[SHRINK_KIND_DIRTY] =
		shrink_mul_div(in->swappiness, 3 * sum + 1, sum + dirty + 1);
	ret->share[SHRINK_KIND_CLEAN] =
		shrink_mul_div(SHRINK_LRUVEC_SWAPPINESS_MAX - in->swappiness, 3 * sum + 1,
			       sum + clean + 1);
	ret->denominator = ret->share[SHRINK_KIND_DIRTY] + ret->share[SHRINK_KIND_CLEAN];
	ret->equal = false;
}

void shrink_balance(const struct shrink_balance_in *in, struct shrink_balance *ret)
{
	if (!in->swappiness || !of_kind(in, SHRINK_KIND_DIRTY)) {
		only(ret, SHRINK_KIND_CLEAN);
	} else if (!of_kind(in, SHRINK_KIND_CLEAN)) {
		only(ret, SHRINK_KIND_DIRTY);
	} else if (in->priority == 0) {
		weigh(in, ret);
		ret->equal = true;
	} else if (in->size[SHRINK_KIND_CLEAN][SHRINK_INACTIVE] >> in->priority &&
		   !in->deactivates_clean) {
		only(ret, SHRINK_KIND_CLEAN);
	} else {
		weigh(in, ret);
	}
}

void shrink_balance_counts(const struct shrink_balance_in *in,
			   uint64_t ret_nr[SHRINK_KINDS][SHRINK_LISTS])
{
	struct shrink_balance b;

	shrink_balance(in, &b);
	for (int kind = 0; kind < SHRINK_KINDS; kind++) {
		for (int list = 0; list < SHRINK_LISTS; list++) {
			uint64_t nr = in->size[kind][list] >> in->priority;

			ret_nr[kind][list] =
				b.equal ? nr : shrink_mul_div(nr, b.share[kind], b.denominator);
		}
	}
}

static uint64_t root(uint64_t n)
{
	uint64_t r = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((r | bit) * (r | bit) <= n)
			r |= bit;
	return r;
}

uint64_t shrink_inactive_ratio(uint64_t bytes)
{
	uint64_t gib = bytes >> 30;

	return gib ? root(10 * gib) : 1;
}

bool shrink_inactive_is_low(uint64_t inactive, uint64_t active, uint64_t bytes)
{
	return shrink_mul_div(inactive, shrink_inactive_ratio(bytes), 1) < active;
}

void shrink_balance_note(uint64_t cost[SHRINK_KINDS], int kind, uint64_t units, uint64_t objects)
{
	cost[kind] = shrink_add_u64(cost[kind], units);
	while (cost[0] > UINT64_MAX / 8 || cost[1] > UINT64_MAX / 8 ||
	       cost[0] + cost[1] > objects / 4) {
		if (!cost[0] && !cost[1])
			break;
		cost[0] /= 2;
		cost[1] /= 2;
	}
}

uint64_t shrink_balance_part(uint64_t budget, uint64_t share, uint64_t denominator, uint64_t *carry)
{
	uint64_t parts = shrink_mul_div(shrink_min_u64(budget, UINT32_MAX) << CARRY_SHIFT, share,
					denominator) + *carry;

	*carry = parts & ((UINT64_C(1) << CARRY_SHIFT) - 1);
	return parts >> CARRY_SHIFT;
}

unsigned int shrink_balance_throttle(const struct shrink_balance_seen *seen)
{
	uint64_t back = seen->writeback + seen->immediate;
	unsigned int why = 0;

	if (!seen->taken)
		return 0;
	if (seen->dirty + seen->queued + back == seen->taken)
		why |= SHRINK_LRUVEC_THROTTLE_DIRTY;
	if (back == seen->taken)
		why |= SHRINK_LRUVEC_THROTTLE_WRITEBACK;
	if (seen->immediate)
		why |= SHRINK_LRUVEC_THROTTLE_IMMEDIATE;
	return why;
}
