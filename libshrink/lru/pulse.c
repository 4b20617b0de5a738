// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/lru/pulse.h>

#define ALL (INT64_C(1) << 32)
#define IN_USE (ALL / 200)
#define SEEN_MIN 16 /* less says nothing */
#define PART 4      /* of the list, over which the average is taken */
#define LESS 4      /* used so many times less often: stale */

void shrink_pulse_note(struct shrink_pulse *p, int list, bool used, uint64_t objects)
{
	uint64_t window = shrink_min_u64(objects / PART, INT32_MAX) + SEEN_MIN;

	p->rate[list] += ((used ? ALL : 0) - p->rate[list]) / (int64_t)window;
	p->seen[list] += p->seen[list] < SEEN_MIN;
}

bool shrink_pulse_stale(const struct shrink_pulse *p)
{
	if (p->seen[SHRINK_ACTIVE] < SEEN_MIN || p->seen[SHRINK_INACTIVE] < SEEN_MIN)
		return false;
	return p->rate[SHRINK_INACTIVE] >= IN_USE &&
	       p->rate[SHRINK_ACTIVE] < p->rate[SHRINK_INACTIVE] / LESS;
}
