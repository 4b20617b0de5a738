// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdatomic.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/lru/workingset.h>
#include <libshrink/reclaim/proactive.h>

/* Of usage, in each period at the most. */
#define PROBE_DIVISOR 100
#define MISS_ONE 1000

static _Atomic uint64_t stall_total;

/* monitor only */
static struct {
	uint64_t due;              /* 0 = begins with the next look */
	uint64_t factor;           /* of the period */
	uint64_t stall, refaults;  /* totals when the period began */
} p;

static uint64_t miss_of(uint64_t is, uint64_t target)
{
	if (!target)
		return is ? MISS_ONE : 0;
	return shrink_min_u64(shrink_mul_div(is, MISS_ONE, target), MISS_ONE);
}

uint64_t shrink_proactive_bytes(uint64_t usage, const struct shrink_missed *m)
{
	uint64_t miss = shrink_max_u64(miss_of(m->stall_usec, m->stall_target),
				       miss_of(m->refaults, m->refaults_target));

	return shrink_mul_div(usage / PROBE_DIVISOR, MISS_ONE - miss, MISS_ONE);
}

void shrink_proactive_stall(uint64_t total_usec)
{
	atomic_store_explicit(&stall_total, total_usec, memory_order_relaxed);
}

void shrink_proactive_reset(void)
{
	memset(&p, 0, sizeof(p));
	atomic_store_explicit(&stall_total, 0, memory_order_relaxed);
}

static void begin_period(uint64_t now, uint64_t factor)
{
	p.factor = factor;
	p.due = now + SHRINK_TUN(proactive_period) * NSEC_PER_MSEC * factor;
	p.stall = atomic_load_explicit(&stall_total, memory_order_relaxed);
	p.refaults = atomic_load_explicit(&shrink_ws_refaults, memory_order_relaxed);
}

uint64_t shrink_proactive_turn(uint64_t now, uint64_t usage)
{
	struct shrink_missed missed = {
		.stall_target = SHRINK_TUN(proactive_stall),
		.refaults_target = SHRINK_TUN(proactive_refaults),
	};
	uint64_t bytes;

	if (!SHRINK_TUN(proactive)) {
		p.due = 0;
		return 0;
	}
	if (p.due && now < p.due)
		return 0;
	if (!p.due) { /* the first period only listens */
		begin_period(now, 1);
		return 0;
	}
	missed.stall_usec = shrink_sub_u64(
		atomic_load_explicit(&stall_total, memory_order_relaxed), p.stall);
	missed.refaults = shrink_sub_u64(
		atomic_load_explicit(&shrink_ws_refaults, memory_order_relaxed), p.refaults);
	bytes = shrink_proactive_bytes(usage, &missed);
	begin_period(now, bytes ? 1 : shrink_min_u64(p.factor * 2, SHRINK_PROACTIVE_SLOWEST));
	return bytes;
}
