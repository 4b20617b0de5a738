// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/reclaim/wmark.h>

/* One process that begins to allocate at full speed takes 2 GB/s, and no slope has
 * been seen by then: this buys some 4 ms, within which we are there (bench notice). */
#define LOW_MIN (8ULL << 20)

struct shrink_wmark shrink_wmark_compute(uint64_t limit, uint64_t ramp, uint64_t low_percent,
					 uint64_t low_bytes, uint64_t high_bytes)
{
	uint64_t base = shrink_mul_div(limit, low_percent, 100);
	struct shrink_wmark w;

	if (low_bytes) {
		w.low = shrink_min_u64(low_bytes, limit / 2);
	} else {
		base = shrink_max_u64(base, shrink_min_u64(LOW_MIN, limit / 20));
		w.low = shrink_max_u64(base, shrink_min_u64(ramp, limit / 8));
	}
	w.high = shrink_add_u64(w.low, w.low / 2 + 1);
	if (high_bytes > w.low)
		w.high = high_bytes;
	w.high = shrink_min_u64(w.high, limit);
	return w;
}

struct shrink_wmark shrink_wmark(uint64_t limit, uint64_t slope, uint64_t late, uint64_t slack)
{
	uint64_t ramp = shrink_mul_div(slope, SHRINK_TUN(slope_horizon) + late, 1000000);

	return shrink_wmark_compute(limit, shrink_sub_u64(ramp, slack), SHRINK_TUN(low_percent),
				    SHRINK_TUN(low_bytes), SHRINK_TUN(high_bytes));
}
