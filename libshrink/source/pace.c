// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/source/pace.h>

/* A stall that comes back within this is the same one going on. */
#define GOES_ON_NSEC (5 * NSEC_PER_SEC)
/* The longest sleep the kernel imposes for memory.high. */
#define TAKEN_NSEC (2 * NSEC_PER_SEC)
/* Of all that was freed, a step. */
#define STEP_DIVISOR 10
/* The kernel's cluster, 32 pages: less is not worth its calls (contract 4). */
#define STEP_MIN (128ULL << 10)

static bool begins(const struct shrink_pace *p, uint64_t now)
{
	return !p->last || now - p->last >= GOES_ON_NSEC;
}

/* Half of what the last step gave has been taken again; or nobody can tell. */
static bool was_taken(const struct shrink_pace *p, uint64_t now, uint64_t freed, uint64_t usage)
{
	uint64_t given = shrink_sub_u64(freed, p->freed);

	return !p->usage || !usage || now - p->step >= TAKEN_NSEC ||
	       shrink_sub_u64(p->usage, usage) <= given / 2;
}

static int harder(int priority)
{
	return priority > 0 ? priority - 1 : 0;
}

bool shrink_pace_step(struct shrink_pace *p, uint64_t now, int priority, uint64_t freed,
		      uint64_t usage, uint64_t *ret_bytes, int *ret_priority)
{
	uint64_t got;

	if (begins(p, now)) {
		*p = (struct shrink_pace){.begin = freed, .freed = freed, .priority = priority + 1};
	}
	p->last = now;
	got = shrink_sub_u64(freed, p->begin);
	if (got && freed != p->freed && !was_taken(p, now, freed, usage))
		return false;
	p->step = now;
	p->freed = freed;
	p->usage = usage;
	if (got) {
		*ret_bytes = shrink_max_u64(got / STEP_DIVISOR, STEP_MIN);
		return true;
	}
	p->priority = priority < harder(p->priority) ? priority : harder(p->priority);
	*ret_bytes = 0;
	*ret_priority = p->priority;
	return true;
}
