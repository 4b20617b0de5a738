// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/reclaim/node.h>

/* What may begin to grow at any moment, as for other gauges. */
#define SLOPE_ASSUMED (128ULL << 20)

void shrink_node_wmark(uint64_t min, uint64_t managed, uint64_t scale, uint64_t boost,
		       struct shrink_node_reading *ret)
{
	uint64_t step = shrink_max_u64(min / 4, shrink_mul_div(managed, scale, 10000));

	ret->low = min + step + boost;
	ret->high = ret->low + step;
}

/* Half the time to the mark; a balanced node is looked at once more soon. */
static uint64_t sleep_until(const struct shrink_node *n, const struct shrink_node_reading *r,
			    uint64_t now, uint64_t min, uint64_t max)
{
	uint64_t distance = shrink_sub_u64(r->available, r->low);
	uint64_t nsec = shrink_mul_div(distance, NSEC_PER_SEC / 2, SLOPE_ASSUMED);
	uint64_t wake = now + shrink_clamp_u64(nsec, min, shrink_max_u64(min, max));

	return now < n->short_until ? shrink_min_u64(wake, n->short_until) : wake;
}

bool shrink_node_next(struct shrink_node *n, const struct shrink_node_reading *r, uint64_t now,
		      uint64_t period_min, uint64_t period_max, uint64_t *ret_wake)
{
	if (n->pressed && r->available > r->high) {
		n->pressed = false;
		n->short_until = now + SHRINK_NODE_SHORT_NSEC;
	} else if (r->managed && r->available <= r->low) {
		n->pressed = true;
	}
	if (!n->pressed) {
		*ret_wake = sleep_until(n, r, now, period_min, period_max);
		return false;
	}
	*ret_wake = n->not_before;
	return now >= n->not_before;
}

void shrink_node_learn(struct shrink_node *n, uint64_t freed, uint64_t yield, uint64_t now,
		       uint64_t period_min)
{
	uint64_t wait = period_min;

	if (freed || (yield && !n->yield)) {
		n->failures = 0;
		n->parked = false;
	} else if (++n->failures >= SHRINK_NODE_FAILURES) {
		n->parked = true;
	}
	n->yield = yield;
	if (n->failures)
		wait = shrink_min_u64(period_min << shrink_min_u64(n->failures, 16),
				      SHRINK_NODE_PROBE_NSEC);
	n->not_before = now + (n->parked ? SHRINK_NODE_PROBE_NSEC : wait);
}
