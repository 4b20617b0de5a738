// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/reclaim/release-learn.h>

#define ALL	 SHRINK_RELEASE_YIELD_ALL
#define GIB	 (1ULL << 30)
#define SKIP_MAX 10 /* at most 2^10 stages are left out in a row */

void shrink_release_learn_init(struct shrink_release_learned *learned)
{
	*learned = (struct shrink_release_learned){.yield = ALL};
}

uint64_t shrink_release_expect(const struct shrink_release_learned *learned, uint64_t promise)
{
	return shrink_mul_div(promise, learned->yield, ALL);
}

bool shrink_release_worth(struct shrink_release_learned *learned, uint64_t promise, uint64_t freed,
			  uint64_t min_percent)
{
	uint64_t need = shrink_mul_div(freed, min_percent, 100);

	if (learned->skip) {
		learned->due = !--learned->skip;
		return false;
	}
	if ((learned->due && promise >= need) || shrink_release_expect(learned, promise) >= need) {
		learned->due = false;
		return true;
	}
	learned->yield += (ALL - learned->yield + 7) / 8;
	return false;
}

/*
 * A release left out makes the next more likely: one that was slow only because the
 * machine was busy must not be the last there ever was.
 */
bool shrink_release_affordable(struct shrink_release_learned *learned, uint64_t walks,
			       uint64_t usec)
{
	if (shrink_mul_div(learned->usec_per_gib, walks, GIB) <= usec)
		return true;
	learned->usec_per_gib -= (learned->usec_per_gib + 3) / 4;
	return false;
}

void shrink_release_learn_pace(struct shrink_release_learned *learned, uint64_t walks,
			       uint64_t usec)
{
	uint64_t now = shrink_mul_div(usec, GIB, walks ? walks : 1);

	learned->usec_per_gib = learned->usec_per_gib ? learned->usec_per_gib / 2 + now / 2 : now;
}

void shrink_release_learn_yield(struct shrink_release_learned *learned, uint64_t promise,
				uint64_t returned, bool good)
{
	uint64_t now =
		shrink_mul_div(shrink_min_u64(returned, promise), ALL, promise ? promise : 1);

	learned->yield = (learned->yield + (uint32_t)now) / 2;
	if (good) {
		learned->bad = 0;
		return;
	}
	learned->skip = 1ULL << shrink_min_u64(learned->bad, SKIP_MAX);
	learned->bad++;
}
