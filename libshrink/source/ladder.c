// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/source/ladder.h>

/* Charges come in pages; nobody can tell two rungs within one apart. */
#define STEP_MIN 4096

int shrink_ladder(uint64_t limit, struct shrink_wmark w, uint64_t ret_rungs[SHRINK_LADDER_RUNGS])
{
	const uint64_t below[SHRINK_LADDER_RUNGS] = {
		shrink_mul_div(w.low, 16, 1), shrink_mul_div(w.low, 8, 1),
		shrink_mul_div(w.low, 4, 1),  shrink_mul_div(w.low, 2, 1),
		w.high, w.low, w.low / 2, w.low / 4,
	};
	uint64_t last = 0;
	int n = 0;

	for (int i = 0; i < SHRINK_LADDER_RUNGS; i++) {
		uint64_t rung = shrink_sub_u64(limit, below[i]);

		/* high_bytes may lie above 2 low: keep them rising all the same */
		if (rung < last + STEP_MIN)
			continue;
		ret_rungs[n++] = rung;
		last = rung;
	}
	return n;
}
