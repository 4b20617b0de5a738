// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/reclaim/backoff.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/reclaim/proactive.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/manual.h>
#include <libshrink/source/pace.h>
#include <libshrink/source/share.h>

/* Somebody who asks within this asks once more. */
#define ASKED_AGAIN_NSEC (5 * NSEC_PER_SEC)
/* After a stall or a hint usage is sampled at the shortest period for so long. */
#define ALERT_NSEC (NSEC_PER_SEC)
/* As kswapd: after so many rounds for nothing in a row a node is parked; we then
 * try once a second until there is progress. */
#define FRUITLESS_MAX 16
#define PARKED_NSEC NSEC_PER_SEC
/* Where something wakes us at the mark, sampling is only a second line. */
#define EDGE_FACTOR 5

/* All of it the monitor's own. */
static struct {
	uint64_t next_look;
	uint64_t alert_until;
	uint64_t returned_seen;
	uint64_t manual_until;
	uint64_t limited_until;        /* stall may be from when a group's limit was known */
	enum shrink_level level;       /* as published */
	enum shrink_level gauge_level; /* as the gauges alone say */
	struct shrink_pace pace;       /* where stall is all that is known, */
	uint64_t lacking;              /*	but for these bytes, if any */
	uint64_t asked_last;
	int asked_priority;
	struct shrink_turns turns;
} judge;

/* Bytes that caches have taken off usage by themselves, up to this moment: a
 * round's own account comes only at its end, too late to measure growth against. */
static uint64_t returned_so_far(void)
{
	return atomic_load_explicit(&shrink_core_stats.self_bytes, memory_order_relaxed);
}

void shrink_judge_reset(void)
{
	memset(&judge, 0, sizeof(judge));
	judge.manual_until = UINT64_MAX;
	judge.returned_seen = returned_so_far();
	shrink_proactive_reset();
}

void shrink_judge_merge(struct shrink_signal *into, const struct shrink_signal *from)
{
	into->recheck |= from->recheck;
	into->hint |= from->hint;
	into->manual |= from->manual;
	into->bytes = shrink_add_u64(into->bytes, from->bytes);
	into->own |= from->own;
	into->lacking = shrink_add_u64(into->lacking, from->lacking);
	if (from->stall && (!into->stall || from->priority < into->priority)) {
		into->priority = from->priority;
		into->source = from->source;
	}
	if (from->stall > into->stall)
		into->stall = from->stall;
}

uint64_t shrink_judge_next(void)
{
	uint64_t next = shrink_min_u64(judge.next_look, judge.manual_until);

	return shrink_min_u64(next, shrink_level_next());
}

/* Fruitless rounds back off exponentially, then park. */
static bool backing_off(uint64_t now)
{
	uint64_t when, wait;
	unsigned int row = shrink_backoff_row(&when);

	if (!row)
		return false;
	wait = row >= FRUITLESS_MAX ? PARKED_NSEC :
		shrink_min_u64(SHRINK_TUN(sample_min) * NSEC_PER_USEC << row, PARKED_NSEC);
	return now < when + wait;
}

static void post(struct shrink_goal *goal, uint64_t now, const char *source)
{
	goal->gfp_mask = SHRINK_GFP_ALL;
	goal->notice = now;
	goal->level = judge.level;
	strncpy(goal->source, source, sizeof(goal->source) - 1);
	shrink_engine_post(goal);
}

/* Any number that is another one for each process and each time. */
static uint64_t some_number(uint64_t now)
{
	now = (now ^ now >> 30) * 0xbf58476d1ce4e5b9ULL;
	return (now ^ now >> 27) * 0x94d049bb133111ebULL >> 16;
}

/* Our part of a shortage that is the group's; a budget of our own is ours alone. */
static bool our_turn(uint64_t now, const struct shrink_headroom *h, uint32_t *ret_share)
{
	int nr = 0;
	uint32_t part = shrink_share_get(&nr);

	if (h->kind == SHRINK_LIMIT_RSS || h->kind == SHRINK_LIMIT_SIMULATED)
		nr = 0;
	return shrink_share_turn(&judge.turns, now, h->need,
				 judge.gauge_level >= SHRINK_LEVEL_CRITICAL, part, nr,
				 some_number(now), ret_share);
}

/* Stall, of whom nobody says how much is missing. */
static bool stalls(const struct shrink_signal *sig)
{
	return sig->stall && !sig->manual && !sig->bytes;
}

/*
 * Below the low mark, or at once where somebody stalls below high: until above high.
 * One round at a time; its end wakes us. Stall says nothing of how much, the gauges
 * do, and a pass for the one beside a round for the other would free twice.
 */
static void answer_headroom(uint64_t now, const struct shrink_signal *sig,
			    const struct shrink_headroom *h)
{
	struct shrink_goal goal = {.gauged = true, .priority = SHRINK_DEF_PRIORITY};
	bool stalled = stalls(sig) && judge.gauge_level == SHRINK_LEVEL_NORMAL;

	if (!h->need || (judge.gauge_level == SHRINK_LEVEL_NORMAL && !stalled)) {
		judge.turns = (struct shrink_turns){0};
		return;
	}
	if (shrink_engine_busy() || backing_off(now) || !our_turn(now, h, &goal.share))
		return;
	post(&goal, now, stalled && sig->source ? sig->source : h->name);
}

static uint64_t freed_so_far(void)
{
	return atomic_load_explicit(&shrink_core_stats.freed_bytes, memory_order_relaxed);
}

/* Asked again and again: each time one priority harder, down to everything. */
static int next_priority(uint64_t now, int priority)
{
	if (judge.asked_last && now - judge.asked_last < ASKED_AGAIN_NSEC &&
	    judge.asked_priority <= priority)
		priority = judge.asked_priority > 0 ? judge.asked_priority - 1 : 0;
	judge.asked_last = now;
	judge.asked_priority = priority;
	return priority;
}

/* The application asks: its bytes, or a pass. */
static void answer_manual(uint64_t now, const struct shrink_signal *sig)
{
	struct shrink_goal goal = {.bytes = sig->bytes, .priority = SHRINK_DEF_PRIORITY};

	if (!sig->bytes)
		goal.priority = next_priority(now, sig->priority);
	post(&goal, now, sig->source ? sig->source : "manual");
}

/*
 * Stall is all there is to go by: no limit is known; or it is our own group's, whose
 * limit nobody can show us - it may be one that a namespace hides - and the limits we know
 * are the machine's. A group's that we know has its say, as for any stall (G7); and one
 * that has just been lifted, over what stalled before that.
 */
static bool in_the_dark(uint64_t now, const struct shrink_signal *sig,
			const struct shrink_headroom *h)
{
	return !h->known || (sig->own && !h->limited && now >= judge.limited_until);
}

/* The group's, of which our part is for us to free. */
static uint64_t our_part(uint64_t bytes)
{
	int nr = 0;
	uint32_t part = shrink_share_get(&nr);

	return nr > 0 ? shrink_mul_div(bytes, part, SHRINK_SHARE_ALL) : bytes;
}

/* Stall has been measured in bytes: so much, and no more. What comes while a round runs
 * waits for its end. */
static void answer_lack(uint64_t now, const struct shrink_signal *sig,
			const struct shrink_headroom *h)
{
	struct shrink_goal goal = {.priority = SHRINK_DEF_PRIORITY};

	if (sig->stall && in_the_dark(now, sig, h))
		judge.lacking = shrink_add_u64(judge.lacking, our_part(sig->lacking));
	if (h->limited)
		judge.lacking = 0;
	if (!judge.lacking || shrink_engine_busy())
		return;
	goal.bytes = judge.lacking;
	judge.lacking = 0;
	post(&goal, now, sig->source ? sig->source : "stall");
}

/* Stall, and no limit is known. */
static void answer_stall(uint64_t now, const struct shrink_signal *sig,
			 const struct shrink_headroom *h)
{
	struct shrink_goal goal = {.priority = SHRINK_DEF_PRIORITY};

	if (sig->manual && sig->stall)
		answer_manual(now, sig);
	else if (sig->stall && in_the_dark(now, sig, h) && !shrink_engine_busy() &&
		 shrink_pace_step(&judge.pace, now, sig->priority, freed_so_far(), h->usage,
				  &goal.bytes, &goal.priority))
		post(&goal, now, sig->source ? sig->source : "stall");
}

static enum shrink_level graver(enum shrink_level a, enum shrink_level b)
{
	return a > b ? a : b;
}

static void say_why(const struct shrink_headroom *h)
{
	struct shrink_outlook o = shrink_gauges_outlook();

	if (!h->known)
		shrink_debug("pressure, and no limit is known");
	else if (o.exhaustion_usec == UINT64_MAX)
		shrink_debug("pressure: %s has %llu KiB free of %llu", h->name,
			     (unsigned long long)h->free >> 10, (unsigned long long)h->limit >> 10);
	else
		shrink_debug("pressure: %s has %llu KiB free of %llu, usage grows by %llu KiB/s: "
			     "exhausted in %llu usec", h->name, (unsigned long long)h->free >> 10,
			     (unsigned long long)h->limit >> 10, (unsigned long long)o.slope >> 10,
			     (unsigned long long)o.exhaustion_usec);
}

static void set_level(uint64_t now, const struct shrink_signal *sig,
		      const struct shrink_headroom *h)
{
	enum shrink_level before = judge.level;

	judge.gauge_level = shrink_level_of(h, judge.gauge_level);
	judge.level = graver(judge.gauge_level, shrink_manual_level(now, &judge.manual_until));
	if (sig->stall && (in_the_dark(now, sig, h) || h->need))
		judge.level = graver(judge.level, sig->stall);
	if (judge.level > SHRINK_LEVEL_NORMAL && before == SHRINK_LEVEL_NORMAL)
		say_why(h);
	shrink_level_publish(now, judge.level, h);
	/* What pressure no longer needs is not asked of owners any more */
	shrink_owner_expire(now, before > SHRINK_LEVEL_NORMAL &&
				 judge.level == SHRINK_LEVEL_NORMAL);
}

/* Thresholds are of raw usage: where page cache has carried it past all of them,
 * none wakes us for what grows beneath. */
static bool below_the_edge(const struct shrink_headroom *h)
{
	return shrink_sub_u64(h->limit, h->usage) >= h->wmark.low;
}

static uint64_t next_period(uint64_t now, uint64_t usec, bool edge_watched)
{
	uint64_t min = SHRINK_TUN(sample_min), max = SHRINK_TUN(sample_max);

	if (judge.level > SHRINK_LEVEL_NORMAL || now < judge.alert_until)
		return min;
	if (edge_watched)
		min *= EDGE_FACTOR;
	return shrink_clamp_u64(usec, min, shrink_max_u64(min, max));
}

/* Proactive mode: only where nothing presses, and nothing else is under way. */
static void probe(uint64_t now, const struct shrink_headroom *h)
{
	struct shrink_goal goal = {.priority = SHRINK_DEF_PRIORITY, .probe = true};

	if (judge.level > SHRINK_LEVEL_NORMAL || !h->known || !shrink_may_grow() ||
	    shrink_engine_busy())
		return;
	goal.bytes = shrink_proactive_turn(now, h->unreclaimable);
	if (goal.bytes)
		post(&goal, now, "proactive");
}

bool shrink_judge(uint64_t now, const struct shrink_signal *sig, bool edge_watched)
{
	uint64_t returned, usec;
	struct shrink_headroom h;

	if (sig->hint || sig->stall)
		judge.alert_until = now + ALERT_NSEC;
	if (!sig->recheck && !sig->stall && !sig->bytes && now < shrink_judge_next()) {
		if (now < judge.alert_until)
			judge.next_look = shrink_min_u64(
				judge.next_look, now + SHRINK_TUN(sample_min) * NSEC_PER_USEC);
		return false;
	}
	returned = returned_so_far();
	usec = shrink_gauges_sample(now, returned - judge.returned_seen, edge_watched, &h);
	judge.returned_seen = returned;
	if (h.limited)
		judge.limited_until = now + 2 * SHRINK_TUN(psi_window) * NSEC_PER_USEC;
	set_level(now, sig, &h);
	answer_headroom(now, sig, &h);
	answer_lack(now, sig, &h);
	answer_stall(now, sig, &h);
	probe(now, &h);
	judge.next_look =
		now + next_period(now, usec, edge_watched && below_the_edge(&h)) * NSEC_PER_USEC;
	return true;
}
