// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <shrink/shrinker.h>
#include <libshrink/core/arith.h>

/*
 * Sums of signed words wrap in the kernel, which is built so; in C they must be
 * done unsigned. None wraps with numbers a cache can have; the misuse vectors do.
 */
static long wrap_add(long a, long b)
{
	return (long)((unsigned long)a + (unsigned long)b);
}

static long wrap_sub(long a, long b)
{
	return (long)((unsigned long)a - (unsigned long)b);
}

static long wrap_double(long a)
{
	return (long)((unsigned long)a * 2);
}

static long min_long(long a, long b)
{
	return a < b ? a : b;
}

static long max_long(long a, long b)
{
	return a > b ? a : b;
}

/* Objects that cost nothing to rebuild: half of them, whatever the priority. */
static uint64_t delta_free_to_rebuild(long freeable)
{
	return (uint64_t)(freeable / 2);
}

/* Shift first, then multiply, then divide: what is below 2^priority is lost, and
 * the kernel loses it too. The divisor is 32 bits wide. */
static uint64_t delta_by_priority(long freeable, int priority, int seeks)
{
	return (uint64_t)(freeable >> priority) * 4 / (uint32_t)seeks;
}

/* Pressure as a ratio. The + 1 keeps the divisor from 0; the largest word would
 * wrap it back there, and means "nothing to speak of" all the same. */
static uint64_t delta_by_ratio(long freeable, unsigned long scanned, unsigned long eligible,
			       int seeks)
{
	uint64_t base = (uint64_t)eligible + 1 ? (uint64_t)eligible + 1 : UINT64_MAX;

	return (uint64_t)scanned * 4 / (uint32_t)seeks * (uint64_t)freeable / base;
}

uint64_t shrink_arith_delta(const struct shrink_arith_how *how, long freeable)
{
	if (!how->seeks)
		return delta_free_to_rebuild(freeable);
	if (how->variant == SHRINK_ARITH_PROPORTIONAL)
		return delta_by_ratio(freeable, how->nr_scanned, how->nr_eligible, how->seeks);
	return delta_by_priority(freeable, how->priority, how->seeks);
}

/* The backlog is offered scaled by the priority too, so that one urgent visit
 * does not pay for all mild ones before it. */
static void begin_5_13(struct shrink_slice *sl, int priority)
{
	sl->total_scan = wrap_add(sl->deferred >> priority, (long)sl->delta);
	sl->total_scan = min_long(sl->total_scan, wrap_double(sl->freeable));
}

/* The whole backlog is offered; two clamps keep it from emptying the cache under
 * light pressure. */
static void begin_5_0(struct shrink_slice *sl)
{
	sl->total_scan = wrap_add(sl->deferred, (long)sl->delta);
	sl->next_deferred = sl->total_scan;
	if (sl->total_scan < 0) {
		sl->negative = 1;
		sl->total_scan = sl->freeable;
		sl->next_deferred = sl->deferred;
	}
	if (sl->delta < (uint64_t)(sl->freeable / 4))
		sl->total_scan = min_long(sl->total_scan, sl->freeable / 2);
	if (sl->total_scan > wrap_double(sl->freeable))
		sl->total_scan = wrap_double(sl->freeable);
}

void shrink_arith_begin(struct shrink_slice *sl, const struct shrink_arith_how *how, long freeable,
			long deferred)
{
	*sl = (struct shrink_slice){
		.freeable = freeable,
		.deferred = deferred,
		.batch = how->batch ? how->batch : SHRINK_BATCH,
		.delta = shrink_arith_delta(how, freeable),
		.variant = how->variant,
	};
	if (how->variant == SHRINK_ARITH_5_13)
		begin_5_13(sl, how->priority);
	else
		begin_5_0(sl);
}

/* Less than a batch waits for company, unless it is all that the cache has. */
unsigned long shrink_arith_next(const struct shrink_slice *sl)
{
	if (sl->total_scan < sl->batch && sl->total_scan < sl->freeable)
		return 0;
	return (unsigned long)min_long(sl->batch, sl->total_scan);
}

void shrink_arith_charge(struct shrink_slice *sl, unsigned long nr_scanned)
{
	sl->total_scan = wrap_sub(sl->total_scan, (long)nr_scanned);
	sl->scanned = wrap_add(sl->scanned, (long)nr_scanned);
}

void shrink_arith_forgo(struct shrink_slice *sl)
{
	sl->delta = 0;
	sl->next_deferred = sl->deferred;
}

long shrink_arith_end(const struct shrink_slice *sl)
{
	long next;

	if (sl->variant == SHRINK_ARITH_5_13) {
		next = wrap_sub(wrap_add(sl->deferred, (long)sl->delta), sl->scanned);
		return min_long(max_long(next, 0), wrap_double(sl->freeable));
	}
	return sl->next_deferred >= sl->scanned ? wrap_sub(sl->next_deferred, sl->scanned) : 0;
}
