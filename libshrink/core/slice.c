// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * One visit of one shrinker at one node: count, scan in batches, put the rest off.
 *
 * Deferred work is claimed by exchanging the counter for 0 and given back by
 * adding, never by storing: meanwhile others may have put work off too, and a
 * second thread that comes by finds no backlog to do again (contract 2.1).
 *
 * Without a byte goal the numbers are the kernel's untouched. With one, a visit
 * is capped at the cache's share of the goal, and what is not needed any more is
 * forgotten rather than deferred.
 */
#include <libshrink/base/conf.h>
#include <libshrink/base/probe.h>
#include <libshrink/core/core.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/clock.h>

/* Asked between batches (G8). */
static bool pass_over(struct shrink_pass *pass)
{
	if (pass->stopped)
		return true;
	if (!shrink_gate_goes_on(pass->generation))
		pass->stopped = true;
	else if (pass->enough && pass->enough(pass))
		pass->stopped = true;
	else if (pass->deadline && shrink_os_clock() >= pass->deadline)
		pass->stopped = true;
	return pass->stopped;
}

/* At high pressure the formula asks for twice of what there is, which would reach
 * into what the cache is to keep. */
static void spare_kept(struct shrinker_impl *s, struct shrink_slice *sl)
{
	if (sl->total_scan > sl->freeable &&
	    atomic_load_explicit(&s->keep, memory_order_relaxed))
		sl->total_scan = sl->freeable;
}

/*
 * A byte goal: this cache's part of it is in proportion to what it was predicted
 * to yield. Rounded up, so that the parts cover the goal.
 */
static void cap_to_share(struct shrink_pass *pass, struct shrinker_impl *s, struct shrink_slice *sl)
{
	uint64_t size = shrinker_object_bytes(s);
	uint64_t own = shrink_min_u64(sl->delta, (uint64_t)sl->freeable);
	uint64_t share, cap;

	if (!pass->yield)
		return;
	share = shrink_mul_div(pass->goal, shrink_mul_div(own, size, 1), pass->yield);
	cap = shrink_max_u64(share / size + (share % size != 0), 1);
	if (sl->delta > cap)
		sl->delta = cap;
	if (sl->total_scan > 0 && (uint64_t)sl->total_scan > cap)
		sl->total_scan = (long)cap;
}

/* With a goal a part smaller than a batch is worth its call. */
static unsigned long next_batch(const struct shrink_pass *pass, const struct shrink_slice *sl)
{
	if (!pass->goal)
		return shrink_arith_next(sl);
	if (sl->total_scan <= 0)
		return 0;
	return (unsigned long)(sl->total_scan < sl->batch ? sl->total_scan : sl->batch);
}

enum slice_end { SLICE_DONE, SLICE_STOP, SLICE_OVER, SLICE_ASKED };

static enum slice_end scan_batches(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
				   struct shrink_slice *sl, unsigned long *freed)
{
	uint64_t size = shrinker_object_bytes(s), still = 0;
	uint64_t before = pass->freed_bytes + pass->pending_bytes;
	unsigned long n, r;

	while ((n = next_batch(pass, sl))) {
		struct shrink_control sc = {
			.gfp_mask = pass->gfp_mask,
			.nid = nid,
			.nr_to_scan = n,
			.nr_scanned = n,
			.memcg = pass->memcg,
			.bytes_to_free =
				pass->goal ? shrink_mul_div((uint64_t)sl->total_scan, size, 1) : 0,
			.deadline_nsec = pass->deadline,
		};

		pass->asked_bytes = shrink_add_u64(pass->asked_bytes, shrink_mul_div(n, size, 1));
		r = shrink_slice_scan(pass, s, &sc);
		if (r == SHRINK_STOP)
			return SLICE_STOP;
		*freed += r;
		if (pass->goal)
			shrink_idle_learn(pass, s,
					  pass->freed_bytes + pass->pending_bytes - before);
		shrink_arith_charge(sl, sc.nr_scanned);
		still = sc.nr_scanned ? 0 : still + 1;
		if (still >= SHRINK_TUN(zero_scans)) {
			shrink_misuse(s, shrinker_slot(s, nid), SHRINK_MISUSE_ENDLESS);
			return SLICE_STOP;
		}
		if (pass_over(pass) || shrinker_dying(s))
			return SLICE_OVER;
	}
	return SLICE_DONE;
}

/* An owner's cache is only ever touched on its own thread: what would be scanned
 * here is asked of it in one go, and counts as looked at. */
static enum slice_end post_batches(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
				   struct shrink_slice *sl)
{
	unsigned long n = next_batch(pass, sl);
	uint64_t bytes;

	if (!n)
		return SLICE_DONE;
	n = (unsigned long)(sl->total_scan < sl->freeable ? sl->total_scan : sl->freeable);
	bytes = shrink_mul_div(n, shrinker_object_bytes(s), 1);
	pass->asked_bytes = shrink_add_u64(pass->asked_bytes, bytes);
	if (!shrink_owner_post(s, nid, n, pass))
		return SLICE_ASKED;
	pass->posted_bytes = shrink_add_u64(pass->posted_bytes, bytes);
	shrink_arith_charge(sl, n);
	return SLICE_DONE;
}

/* In a thread that may not take the application's locks, a shrinker that does not
 * promise to trylock is not called; its work is put off and handed on. */
static enum slice_end refuse_batches(struct shrink_pass *pass, struct shrinker_impl *s,
				     struct shrink_slice *sl)
{
	if (!next_batch(pass, sl))
		return SLICE_DONE;
	pass->refused_bytes = shrink_add_u64(
		pass->refused_bytes,
		shrink_mul_div((uint64_t)sl->total_scan, shrinker_object_bytes(s), 1));
	return SLICE_STOP;
}

/* Where work of this visit is put off: per group for a shrinker that knows groups,
 * else its own (contract 3.8). */
static _Atomic long *deferred_of(struct shrink_pass *pass, struct shrinker_impl *s, int nid)
{
	struct shrink_memcg_unit *unit = NULL;

	if (s->pub.flags & SHRINKER_MEMCG_AWARE)
		unit = shrink_memcg_unit(pass->memcg, shrinker_nid(s, nid), s->id);
	return unit ? &unit->deferred[s->id % SHRINK_MEMCG_UNIT]
		    : &shrinker_slot(s, nid)->nr_deferred;
}

static long claim_deferred(_Atomic long *deferred)
{
	/* 0 for 0 is no exchange at all: the common case costs no locked access */
	if (!atomic_load_explicit(deferred, memory_order_relaxed))
		return 0;
	return atomic_exchange_explicit(deferred, 0, memory_order_relaxed);
}

static long put_off(struct shrink_pass *pass, struct shrinker_impl *s, int nid, long objects)
{
	_Atomic long *deferred = deferred_of(pass, s, nid);

	if (!objects)
		return atomic_load_explicit(deferred, memory_order_relaxed);
	if (s->pub.flags & SHRINKER_MEMCG_AWARE && !shrink_memcg_is_root(pass->memcg))
		return shrink_memcg_defer(pass->memcg, s, shrinker_nid(s, nid), objects);
	return atomic_fetch_add_explicit(deferred, objects, memory_order_relaxed) + objects;
}

/* A descent answered STOP at every priority would put the cache off twice over:
 * one event adds its share once. */
static bool stopped_before(struct shrink_pass *pass, struct shrinker_node *slot)
{
	uint64_t key = pass->event * SHRINK_MEMCGS_MAX + (uint64_t)pass->memcg->id;

	if (!pass->event)
		return false;
	return atomic_exchange_explicit(&slot->stop_event, key, memory_order_relaxed) == key;
}

static long what_is_left(struct shrink_pass *pass, struct shrinker_node *slot,
			 struct shrink_slice *sl, enum slice_end end)
{
	if (end == SLICE_OVER && pass->met)
		shrink_arith_forgo(sl);
	else if (end == SLICE_STOP && stopped_before(pass, slot))
		shrink_arith_forgo(sl);
	else if (end == SLICE_ASKED && pass->goal) /* the request that waits is for this */
		shrink_arith_forgo(sl);
	return shrink_arith_end(sl);
}

unsigned long shrink_do_slice(struct shrink_pass *pass, struct shrinker_impl *s, int nid)
{
	struct shrink_arith_how how = pass->how;
	unsigned long freeable, freed = 0;
	struct shrink_slice sl;
	enum slice_end end;
	long left;

	freeable = shrink_slice_count(pass, s, nid);
	if (!freeable || freeable == SHRINK_EMPTY)
		return freeable;
	how.seeks = atomic_load_explicit(&s->seeks, memory_order_relaxed);
	how.batch = atomic_load_explicit(&s->batch, memory_order_relaxed);
	shrink_arith_begin(&sl, &how, (long)freeable, claim_deferred(deferred_of(pass, s, nid)));
	spare_kept(s, &sl);
	if (pass->goal)
		cap_to_share(pass, s, &sl);
	SHRINK_PROBE_START(&s->pub, s->pub.scan_objects, nid, sl.deferred, pass->gfp_mask, freeable,
			   sl.delta, sl.total_scan, how.priority);

	if (s->pub.owner)
		end = post_batches(pass, s, nid, &sl);
	else if (pass->direct_only && !(s->pub.flags & SHRINKER_DIRECT))
		end = refuse_batches(pass, s, &sl);
	else
		end = scan_batches(pass, s, nid, &sl, &freed);

	left = put_off(pass, s, nid, what_is_left(pass, shrinker_slot(s, nid), &sl, end));
	SHRINK_PROBE_END(&s->pub, nid, s->pub.scan_objects, sl.deferred, left, freed,
			 sl.total_scan);
	(void)left;
	return freed;
}
