// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/reclaim/wmark.h>

/* One process that begins to allocate at full speed takes 2 GB/s, and no slope has
 * been seen by then: this buys some 4 ms, within which we are there (bench notice). */
#define LOW_MIN (8ULL << 20)

struct shrink_wmark shrink_wmark_compute(uint64_t limit, uint64_t slope, uint64_t low_percent,
					 uint64_t low_bytes, uint64_t high_bytes,
					 uint64_t horizon_usec)
{
	struct shrink_wmark w;

	if (low_bytes) {
		w.low = shrink_min_u64(low_bytes, limit / 2);
	} else {
		uint64_t share = shrink_mul_div(limit, low_percent, 100);
		uint64_t ramp =
			shrink_min_u64(shrink_mul_div(slope, horizon_usec, 1000000), limit / 8);

		w.low = shrink_max_u64(share, ramp);
		w.low = shrink_max_u64(w.low, shrink_min_u64(LOW_MIN, limit / 20));
	}
	w.high = shrink_add_u64(w.low, w.low / 2 + 1);
	if (high_bytes > w.low)
		w.high = high_bytes;
	w.high = shrink_min_u64(w.high, limit);
	return w;
}

struct shrink_wmark shrink_wmark(uint64_t limit, uint64_t slope, uint64_t late)
{
	return shrink_wmark_compute(limit, slope, SHRINK_TUN(low_percent), SHRINK_TUN(low_bytes),
				    SHRINK_TUN(high_bytes), SHRINK_TUN(slope_horizon) + late);
}
