// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/reclaim/cow.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/reclaim/release.h>
#include <libshrink/reclaim/round-priv.h>

/* Below this a fall of RSS says more about the kernel's batched counters and the
 * program's other threads than about what came back. */
#define YIELD_MIN_BYTES (4ULL << 20)

static uint64_t (*rss_hook)(void);

void shrink_round_set_rss(uint64_t (*rss)(void))
{
	rss_hook = rss;
}

uint64_t shrink_round_rss(void)
{
	return rss_hook ? rss_hook() : 0;
}

static uint64_t heap_freed(const struct round *r)
{
	return shrink_sub_u64(r->pass.freed_bytes, r->pass.self_bytes) - r->heap_mark;
}

/*
 * Freed, but still with the allocator: gone for the cache, not yet for the limit.
 * Some of it may have come back at once (free() of a large block unmaps it); that
 * shows as a fall of usage beyond what self-releasing caches account for, and must
 * not be counted twice.
 */
static uint64_t unreturned(const struct round *r, uint64_t usage)
{
	uint64_t fell = shrink_sub_u64(r->usage_mark, usage);

	return shrink_sub_u64(heap_freed(r),
			      shrink_sub_u64(fell, r->pass.self_bytes - r->self_mark));
}

static void read_gauges(const struct round *r, bool exact, struct shrink_headroom *h)
{
	if (r->goal->need)
		h->need = r->goal->need(r->goal, &h->usage);
	else
		shrink_gauges_read(exact, h);
}

/* What is still missing, now, less what comes without asking again. */
uint64_t shrink_round_missing(const struct round *r, bool exact)
{
	uint64_t later = r->pass.pending_bytes + r->pass.posted_bytes;
	uint64_t left = shrink_sub_u64(r->goal->bytes, r->pass.freed_bytes + later);
	struct shrink_headroom h;
	uint64_t need;

	if (!r->goal->gauged)
		return left;
	read_gauges(r, exact, &h);
	need = shrink_sub_u64(h.need, later + unreturned(r, h.usage));
	need = shrink_min_u64(need, shrink_sub_u64(r->share, r->pass.freed_bytes + later));
	return shrink_max_u64(left, need);
}

/* How much of what was freed has come back, in percent; 100 where too little was
 * freed to tell. Caches that return by themselves are measured like all others:
 * what they say is not what the limit sees. */
uint64_t shrink_round_yield_percent(const struct round *r)
{
	if (r->pass.freed_bytes < YIELD_MIN_BYTES || !r->rss_begin)
		return 100;
	return shrink_mul_div(shrink_sub_u64(r->rss_begin, shrink_round_rss()), 100,
			      r->pass.freed_bytes);
}

/* What left us left the group as well, or it did not and forked children have it. A
 * neighbour that grows hides a fall just so, hence the second look. */
bool shrink_round_kept_by_children(const struct round *r)
{
	uint64_t left = shrink_sub_u64(r->rss_begin, shrink_round_rss()), fell;
	struct shrink_headroom h;

	if (!r->goal->gauged || !r->usage_begin || left < YIELD_MIN_BYTES)
		return false;
	shrink_gauges_read(true, &h);
	fell = shrink_sub_u64(r->usage_begin, h.usage);
	return fell < shrink_mul_div(left, SHRINK_TUN(min_yield), 100) && shrink_cow_shared();
}

/* From here on what usage falls by is news. */
void shrink_round_set_marks(struct round *r)
{
	struct shrink_headroom h;

	read_gauges(r, false, &h);
	r->usage_mark = h.usage;
	r->heap_mark = shrink_sub_u64(r->pass.freed_bytes, r->pass.self_bytes);
	r->self_mark = r->pass.self_bytes;
}

/* Makes the allocator hand back what the last pass freed to it. */
void shrink_round_release(struct round *r)
{
	uint64_t freed = heap_freed(r), before;

	if (freed) {
		before = shrink_round_rss();
		/* where RSS cannot be read nothing is held against the allocator */
		if (shrink_release_run(freed, shrink_round_missing(r, false)))
			shrink_release_judge(
				freed, before ? shrink_sub_u64(before, shrink_round_rss()) : freed);
	}
	shrink_round_set_marks(r);
}
