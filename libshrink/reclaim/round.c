// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdatomic.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-protect.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/mem.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/reclaim/record.h>
#include <libshrink/reclaim/round-priv.h>

/* No pass is worth its calls for less than the kernel's cluster (contract 4). */
#define PASS_MIN_PAGES 32

static _Atomic int joiners; /* who wait for what others free */
static _Atomic uint64_t claimed, requested, returned_total, fruitless, fragmented;

uint64_t shrink_round_claimed(void)
{
	return atomic_load_explicit(&claimed, memory_order_relaxed);
}

uint64_t shrink_round_returned(void)
{
	return atomic_load_explicit(&returned_total, memory_order_relaxed);
}

void shrink_round_join(int joins)
{
	atomic_fetch_add_explicit(&joiners, joins, memory_order_relaxed);
}

static bool enough(struct shrink_pass *pass)
{
	const struct round *r = pass->arg;

	if (atomic_load_explicit(&joiners, memory_order_relaxed))
		shrink_pass_tell(pass);
	if (shrink_round_missing(r, false))
		return false;
	pass->met = true;
	return true;
}

/*
 * Protection (contract 4.1): a group within its effective min is left alone; one
 * within its effective low too, unless a whole descent without it got nothing.
 * Where reclaim was started is never protected from itself.
 */
static bool spare(struct shrink_pass *pass, struct shrink_memcg *memcg)
{
	struct round *r = pass->arg;
	uint64_t usage, effective[2]; /* min, low */

	if (memcg == pass->top || shrink_memcg_is_root(memcg))
		return false;
	shrink_memcg_protect(pass->top, memcg, effective);
	usage = shrink_memcg_usage_now(memcg);
	if (usage && usage <= effective[0])
		return true;
	if (usage > effective[1] || !usage)
		return false;
	if (!r->override_low) {
		r->spared_low = true;
		return true;
	}
	if (!pass->planning)
		shrink_memcg_count_event(memcg, SHRINK_MEMCG_LOW);
	return false;
}

/* The mildest priority whose predicted yield covers the goal, or yields most. */
static int first_priority(const uint64_t *yields, uint64_t bytes)
{
	int p = SHRINK_DEF_PRIORITY;

	while (p > 0 && yields[p] < bytes && yields[p] < yields[0])
		p--;
	return p;
}

/* Our part is freed; whether that is enough is for the others to see to, too. */
static bool share_done(const struct round *r)
{
	return r->pass.freed_bytes + r->pass.pending_bytes + r->pass.posted_bytes >= r->share;
}

/* After a pass: is the round over, and why? -1 = go on. */
static int verdict(struct round *r)
{
	if (share_done(r))
		return shrink_round_yield_percent(r) < SHRINK_TUN(min_yield)
			       ? SHRINK_ROUND_FRAGMENTED : SHRINK_ROUND_MET;
	if (!shrink_round_missing(r, true))
		return r->goal->gauged ? SHRINK_ROUND_BALANCED : SHRINK_ROUND_MET;
	if (r->pass.ticker && atomic_load_explicit(&r->pass.ticker->lost, memory_order_relaxed))
		return SHRINK_ROUND_OVERTAKEN;
	if (r->goal->deadline && shrink_os_clock() >= r->goal->deadline)
		return SHRINK_ROUND_DEADLINE;
	if (shrink_round_yield_percent(r) < SHRINK_TUN(min_yield))
		return SHRINK_ROUND_FRAGMENTED;
	if (shrink_round_kept_by_children(r))
		return SHRINK_ROUND_SHARED;
	if (r->pass.stopped && !r->pass.met)
		return SHRINK_ROUND_DEADLINE; /* passive now, or another process */
	/* Twice all there was: a cache that frees for ever without anything coming
	 * of it, or refills as fast. The next round begins with a new look (G12). */
	if (r->pass.freed_bytes / 2 > r->yields[0])
		return SHRINK_ROUND_EXHAUSTED;
	return -1;
}

/* Owners answer in their own time; pressing the others harder meanwhile would
 * make them pay for it. */
static bool waits_for_owners(const struct round *r, uint64_t freed_by_pass)
{
	return !freed_by_pass &&
	       (r->pass.posted_bytes || shrink_owner_outstanding(shrink_os_clock()));
}

/* One pass; returns the bytes it got, of every kind. */
static uint64_t one_pass(struct round *r, int priority, uint64_t bytes)
{
	uint64_t before = r->pass.freed_bytes + r->pass.pending_bytes;

	r->pass.how.variant = (enum shrink_arith_variant)SHRINK_TUN(arith);
	r->pass.how.priority = priority;
	r->pass.goal = bytes;
	r->pass.yield = bytes ? r->yields[priority] : 0;
	r->pass.stopped = r->pass.met = false;
	r->rec->priority_last = priority;
	shrink_walk_tree(&r->pass);
	shrink_round_release(r);
	return r->pass.freed_bytes + r->pass.pending_bytes - before;
}

static void set_claim(_Atomic uint64_t *cell, uint64_t bytes)
{
	uint64_t before = atomic_exchange_explicit(cell, bytes, memory_order_relaxed);

	atomic_fetch_add_explicit(&claimed, bytes - before, memory_order_relaxed);
}

/* A worker's claim is kept with its ticker, so that it can be taken from it. */
static void claim(struct round *r, uint64_t bytes)
{
	set_claim(r->pass.ticker ? &r->pass.ticker->claimed : &r->own_claim, bytes);
}

void shrink_round_unclaim(struct shrink_ticker *ticker)
{
	set_claim(&ticker->claimed, 0);
}

/* Bytes are known: down from the priority that should do. */
static int descend(struct round *r, uint64_t bytes)
{
	int p, end;

	shrink_walk_plan(&r->pass, r->yields);
	if (r->pass.left_out && r->yields[0] < bytes) {
		r->pass.ask_all = true;
		shrink_walk_plan(&r->pass, r->yields);
	}
	if (r->goal->ret_yield)
		*r->goal->ret_yield = r->yields[0];
	if (!r->yields[0])
		return SHRINK_ROUND_EXHAUSTED;
	p = first_priority(r->yields, bytes);
	if (r->goal->start && p > r->goal->start)
		p = r->goal->start;
	if (p < r->goal->floor)
		p = r->goal->floor;
	r->rec->priority_first = p;
	do {
		uint64_t got;

		claim(r, bytes);
		got = one_pass(r, p, shrink_max_u64(bytes, PASS_MIN_PAGES * shrink_os_page_size()));
		end = verdict(r);
		if (end >= 0)
			return end;
		if (waits_for_owners(r, got))
			return SHRINK_ROUND_MET;
		if (got < r->pass.asked_bytes || !got)
			p--;
		bytes = shrink_round_missing(r, false);
	} while (p >= r->goal->floor && bytes);
	return bytes ? SHRINK_ROUND_EXHAUSTED : SHRINK_ROUND_MET;
}

static void finish(struct round *r, int end)
{
	struct shrink_round *rec = r->rec;

	claim(r, 0);
	rec->end_nsec = shrink_os_clock();
	rec->first_scan_nsec = r->pass.first_scan;
	if (r->goal->gauged && !r->goal->on_node && r->pass.first_scan)
		shrink_gauges_late(r->pass.first_scan - r->goal->notice);
	rec->scanned_objects = r->pass.scanned;
	rec->freed_objects = r->pass.freed;
	rec->freed_bytes = r->pass.freed_bytes;
	rec->pending_bytes = r->pass.pending_bytes;
	rec->returned_bytes = (int64_t)(r->rss_begin - shrink_round_rss());
	if (!rec->freed_bytes && !rec->pending_bytes && !r->pass.posted_bytes) {
		if (end == SHRINK_ROUND_EXHAUSTED)
			end = SHRINK_ROUND_FRUITLESS;
		if (end == SHRINK_ROUND_FRUITLESS)
			atomic_fetch_add_explicit(&fruitless, 1, memory_order_relaxed);
	}
	rec->end = (uint32_t)end;
	if (end == SHRINK_ROUND_FRAGMENTED)
		atomic_fetch_add_explicit(&fragmented, 1, memory_order_relaxed);
	if ((end == SHRINK_ROUND_FRAGMENTED || end == SHRINK_ROUND_SHARED) && !r->goal->probe)
		shrink_level_hold(rec->end_nsec);
	if (rec->returned_bytes > 0)
		atomic_fetch_add_explicit(&returned_total, (uint64_t)rec->returned_bytes,
					  memory_order_relaxed);
	atomic_fetch_add_explicit(&requested, rec->requested_bytes, memory_order_relaxed);
	shrink_record_add(rec);
}

/* What somebody else has reckoned: no priority, no plan. Without a scan it was no round. */
static uint64_t visit_round(struct round *r)
{
	r->pass.enough = NULL;
	r->rss_begin = shrink_round_rss();
	r->rec->priority_first = r->rec->priority_last = -1;
	r->goal->visit(&r->pass);
	shrink_pass_tell(&r->pass);
	if (!r->pass.first_scan && !r->pass.posted_bytes) {
		r->rec->end = r->pass.stopped ? SHRINK_ROUND_DEADLINE : SHRINK_ROUND_MET;
		return 0;
	}
	shrink_round_release(r);
	finish(r, r->pass.stopped ? SHRINK_ROUND_DEADLINE : SHRINK_ROUND_MET);
	return r->pass.freed_bytes;
}

uint64_t shrink_round_run(const struct shrink_goal *goal, struct shrink_ticker *ticker,
			  struct shrink_round *ret_round, uint64_t *ret_refused)
{
	struct round r = {
		.goal = goal,
		.rec = ret_round,
		.pass = {
			.gfp_mask = goal->gfp_mask,
			.memcg = shrink_memcg_root_group,
			.top = goal->memcg ? goal->memcg : shrink_memcg_root_group,
			.nid = goal->on_node || goal->at_node ? goal->nid : SHRINK_NUMA_NO_NODE,
			.aware_only = goal->on_node,
			.direct_only = goal->direct_only,
			.event = shrink_pass_new_id(),
			.deadline = goal->deadline,
			.enough = enough,
			.spare = spare,
			.ticker = ticker,
		},
	};
	uint64_t bytes;
	int end;

	r.pass.arg = &r;
	r.share = UINT64_MAX;
	memset(ret_round, 0, sizeof(*ret_round));
	ret_round->begin_nsec = shrink_os_clock();
	ret_round->notice_nsec = goal->notice;
	ret_round->level = (uint32_t)goal->level;
	memcpy(ret_round->source, goal->source, sizeof(ret_round->source));
	*ret_refused = 0;

	if (goal->visit)
		return visit_round(&r);
	if (!goal->bytes && !goal->gauged) {
		r.pass.enough = NULL;
		r.rss_begin = shrink_round_rss();
		ret_round->priority_first = goal->priority;
		end = one_pass(&r, goal->priority, 0) ? SHRINK_ROUND_MET : SHRINK_ROUND_FRUITLESS;
		finish(&r, end);
		return r.pass.freed_bytes;
	}
	bytes = shrink_sub_u64(shrink_round_missing(&r, true), goal->bytes || goal->on_node ? 0 :
			       shrink_round_claimed());
	if (goal->gauged && goal->share && goal->share < SHRINK_SHARE_ALL && !goal->bytes) {
		bytes = shrink_mul_div(bytes, goal->share, SHRINK_SHARE_ALL);
		r.share = bytes = shrink_max_u64(bytes, bytes ? PASS_MIN_PAGES *
							shrink_os_page_size() : 0);
	}
	if (!bytes) /* balanced meanwhile, or another is at it: nothing happened */
		return 0;
	ret_round->requested_bytes = bytes;
	r.rss_begin = shrink_round_rss();
	shrink_round_set_marks(&r);
	r.usage_begin = r.usage_mark;
	end = descend(&r, bytes);
	if (end == SHRINK_ROUND_EXHAUSTED && r.pass.left_out && !r.pass.ask_all) {
		r.pass.ask_all = true;
		bytes = shrink_max_u64(shrink_round_missing(&r, false), 1);
		end = descend(&r, bytes);
	}
	if (end == SHRINK_ROUND_EXHAUSTED && r.spared_low && !r.pass.freed_bytes) {
		r.override_low = true;
		end = descend(&r, bytes);
	}
	*ret_refused = r.pass.refused_bytes;
	finish(&r, end);
	return r.pass.freed_bytes;
}

struct shrink_round_stats shrink_round_stats(void)
{
	return (struct shrink_round_stats){
		.requested = atomic_load_explicit(&requested, memory_order_relaxed),
		.returned = shrink_round_returned(),
		.fruitless = atomic_load_explicit(&fruitless, memory_order_relaxed),
		.fragmented = atomic_load_explicit(&fragmented, memory_order_relaxed),
	};
}
