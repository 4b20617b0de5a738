// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Calling the application: one count, one scan. Whatever the answer, it is bounded,
 * counted and, if it cannot be right, reported once (G12); and around each call it
 * is known which shrinker this thread is in.
 */
#include <limits.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>

/* No call frees more than there are addresses, whatever it says: sums of bytes
 * must not wrap to a small number (G12). */
#define CALL_BYTES_MAX (1ULL << 48)

#define SLOW_REPORTED 3

struct shrink_core_stats shrink_core_stats;

static void add_u64(_Atomic uint64_t *counter, uint64_t v)
{
	atomic_fetch_add_explicit(counter, v, memory_order_relaxed);
}

static const char *misuse_text(unsigned int kind)
{
	switch (kind) {
	case SHRINK_MISUSE_COUNT:
		return "count_objects returned a negative number or SHRINK_STOP; expected 0, "
		       "SHRINK_EMPTY or objects; taken as 0";
	case SHRINK_MISUSE_FREED:
		return "scan_objects returned a negative number or SHRINK_EMPTY; expected objects "
		       "or SHRINK_STOP; taken as 0";
	case SHRINK_MISUSE_STILL:
		return "scan_objects freed nothing and set nr_scanned to 0 without SHRINK_STOP; "
		       "the batch is charged";
	case SHRINK_MISUSE_ENDLESS:
		return "scan_objects keeps setting nr_scanned to 0; the visit ends as with "
		       "SHRINK_STOP";
	case SHRINK_MISUSE_SCANNED:
		return "scan_objects set nr_scanned to a negative number; the batch is charged";
	default:
		return "scan_objects freed more than count_objects had counted; believed";
	}
}

void shrink_misuse(struct shrinker_impl *s, struct shrinker_node *slot, unsigned int kind)
{
	char name[SHRINK_NAME_MAX + 16];

	add_u64(&slot->misuses, 1);
	add_u64(&shrink_core_stats.misuses, 1);
	if (atomic_fetch_or_explicit(&s->reported, kind, memory_order_relaxed) & kind)
		return;
	shrinker_get_name(&s->pub, name, sizeof(name));
	shrink_warn("%s: %s (reported once)", name, misuse_text(kind));
}

uint64_t shrinker_object_bytes(struct shrinker_impl *s)
{
	uint64_t bytes = s->pub.object_size;

	if (!bytes)
		bytes = atomic_load_explicit(&s->object_learned, memory_order_relaxed);
	return bytes ? bytes : SHRINK_TUN(object_guess);
}

/* A slow average of what scans report, an eighth of the new each time. */
static void learn(struct shrinker_impl *s, uint64_t objects, uint64_t bytes)
{
	uint64_t old = atomic_load_explicit(&s->object_learned, memory_order_relaxed);
	uint64_t sample = bytes / objects;

	atomic_store_explicit(&s->object_learned, old ? old - old / 8 + sample / 8 : sample,
			      memory_order_relaxed);
}

/* Around every callback: who looks whether a worker is stuck, and who frees its
 * own shrinker, must know. */
static void callback_begin(struct shrink_pass *pass, struct shrinker_impl *s)
{
	struct shrink_ticker *t = pass->ticker;

	shrink_context.current = s;
	if (!t)
		return;
	atomic_store_explicit(&t->current, s, memory_order_relaxed);
	atomic_store_explicit(&t->ticks, atomic_load_explicit(&t->ticks, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void callback_end(struct shrink_pass *pass, struct shrinker_impl *s)
{
	struct shrink_ticker *t = pass->ticker;

	shrink_context.current = NULL;
	if (!t)
		return;
	/* Pairs with shrink_ticker_lose(): either it sees that this callback has
	 * ended, or this sees that the worker was given up; both clear the mark. */
	atomic_store(&t->current, NULL);
	if (atomic_load(&t->lost)) {
		atomic_store_explicit(&s->stuck, 0, memory_order_relaxed);
		pass->stopped = true;
	}
}

bool shrink_ticker_lose(struct shrink_ticker *t, struct shrinker_impl *s)
{
	atomic_store_explicit(&s->stuck, 1, memory_order_relaxed);
	atomic_store(&t->lost, 1);
	if (atomic_load(&t->current) == s)
		return true;
	atomic_store_explicit(&s->stuck, 0, memory_order_relaxed);
	atomic_store(&t->lost, 0);
	return false;
}

static unsigned long count_published(struct shrinker_node *slot)
{
	unsigned long n = atomic_load_explicit(&slot->pub_objects, memory_order_relaxed);
	long posted = atomic_load_explicit(&slot->posted, memory_order_relaxed);

	return (unsigned long)shrink_sub_u64(n, posted > 0 ? (uint64_t)posted : 0);
}

static unsigned long count_asked(struct shrink_pass *pass, struct shrinker_impl *s,
				 struct shrinker_node *slot, int nid)
{
	struct shrink_control sc = {
		.gfp_mask = pass->gfp_mask,
		.nid = nid,
		.memcg = pass->memcg,
		.deadline_nsec = pass->deadline,
	};
	unsigned long n;

	callback_begin(pass, s);
	n = s->pub.count_objects(&s->pub, &sc);
	callback_end(pass, s);
	atomic_store_explicit(&slot->counts,
			      atomic_load_explicit(&slot->counts, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	if (n > LONG_MAX && n != SHRINK_EMPTY) {
		shrink_misuse(s, slot, SHRINK_MISUSE_COUNT);
		return 0;
	}
	return shrinker_dying(s) ? 0 : n; /* freed from inside it: no scan follows */
}

unsigned long shrink_slice_count(struct shrink_pass *pass, struct shrinker_impl *s, int nid)
{
	struct shrinker_node *slot = shrinker_slot(s, nid);
	unsigned long weight, n;

	n = s->pub.owner ? count_published(slot) : count_asked(pass, s, slot, nid);
	if (n == SHRINK_EMPTY)
		return n;
	atomic_store_explicit(&slot->last_count, n, memory_order_relaxed);
	weight = atomic_load_explicit(&s->weight, memory_order_relaxed);
	if (weight != 100)
		n = (unsigned long)shrink_min_u64(shrink_mul_div(n, weight, 100), LONG_MAX);
	return (unsigned long)shrink_sub_u64(n,
					     atomic_load_explicit(&s->keep, memory_order_relaxed));
}

static void account_pending(struct shrink_pass *pass, struct shrinker_impl *s,
			    struct shrinker_node *slot, const struct shrink_control *sc)
{
	uint64_t bytes = sc->bytes_pending;

	if (!sc->nr_pending && !bytes)
		return;
	if (!bytes)
		bytes = shrink_mul_div(sc->nr_pending, shrinker_object_bytes(s), 1);
	bytes = shrink_min_u64(bytes, CALL_BYTES_MAX);
	atomic_fetch_add_explicit(&slot->pending_objects, (int64_t)sc->nr_pending,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&slot->pending_bytes, (int64_t)bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&shrink_core_stats.pending_bytes, (int64_t)bytes,
				  memory_order_relaxed);
	pass->pending_bytes += bytes;
}

static void account_freed(struct shrink_pass *pass, struct shrinker_impl *s,
			  struct shrinker_node *slot, const struct shrink_control *sc,
			  unsigned long freed)
{
	uint64_t bytes = sc->bytes_freed;

	if (bytes && freed)
		learn(s, freed, bytes);
	else if (!bytes)
		bytes = shrink_mul_div(freed, shrinker_object_bytes(s), 1);
	bytes = shrink_min_u64(bytes, CALL_BYTES_MAX);
	pass->freed_bytes += bytes;
	if (s->pub.flags & SHRINKER_SELF_RELEASE) {
		pass->self_bytes += bytes;
		add_u64(&shrink_core_stats.self_bytes, bytes);
	}
	pass->freed += freed;
	add_u64(&slot->freed, freed);
	add_u64(&slot->freed_bytes, bytes);
}

void shrink_pass_tell(struct shrink_pass *pass)
{
	add_u64(&shrink_core_stats.scanned, pass->scanned - pass->told.scanned);
	add_u64(&shrink_core_stats.freed, pass->freed - pass->told.freed);
	add_u64(&shrink_core_stats.freed_bytes, pass->freed_bytes - pass->told.freed_bytes);
	pass->told.scanned = pass->scanned;
	pass->told.freed = pass->freed;
	pass->told.freed_bytes = pass->freed_bytes;
}

/* Once, and not for the first: a single long scan may be the scheduler's doing. */
static void report_slow(struct shrinker_impl *s, uint64_t nsec, unsigned long objects)
{
	char name[SHRINK_NAME_MAX + 16];

	if (atomic_fetch_add_explicit(&s->slow, 1, memory_order_relaxed) + 1 < SLOW_REPORTED ||
	    atomic_fetch_or_explicit(&s->reported, SHRINK_REPORTED_SLOW, memory_order_relaxed) &
		    SHRINK_REPORTED_SLOW)
		return;
	shrinker_get_name(&s->pub, name, sizeof(name));
	shrink_warn("%s: a scan of %lu objects took %llu ms, more than scan_budget, and not for "
		    "the first time; a smaller batch would help (reported once)", name, objects,
		    (unsigned long long)(nsec / NSEC_PER_MSEC));
}

static void account_time(struct shrinker_impl *s, struct shrinker_node *slot, uint64_t nsec,
			 unsigned long objects)
{
	uint64_t bound = 10 * NSEC_PER_USEC;
	int i = 0;

	for (; i < SHRINK_SCAN_HIST - 1 && nsec >= bound; i++)
		bound *= 10;
	add_u64(&s->scan_hist[i], 1);
	if (nsec > SHRINK_TUN(scan_budget) * NSEC_PER_USEC)
		report_slow(s, nsec, objects);
	add_u64(&slot->scan_nsec, nsec);
	if (nsec > atomic_load_explicit(&slot->scan_nsec_max, memory_order_relaxed))
		atomic_store_explicit(&slot->scan_nsec_max, nsec, memory_order_relaxed);
}

/* Every batch must bring the visit nearer to its end: nothing looked at would keep
 * it where it is, a negative number would lead away from it. */
static void bound_scanned(struct shrinker_impl *s, struct shrinker_node *slot,
			  struct shrink_control *sc, unsigned long freed)
{
	if (sc->nr_scanned > LONG_MAX)
		shrink_misuse(s, slot, SHRINK_MISUSE_SCANNED);
	else if (!freed && !sc->nr_scanned && !sc->nr_pending)
		shrink_misuse(s, slot, SHRINK_MISUSE_STILL);
	else
		return;
	sc->nr_scanned = sc->nr_to_scan;
}

static unsigned long call_scan(struct shrink_pass *pass, struct shrinker_impl *s,
			       struct shrink_control *sc)
{
	unsigned long freed;

	callback_begin(pass, s);
	freed = s->pub.scan_objects(&s->pub, sc);
	callback_end(pass, s);
	return freed;
}

/* Rounds are timed; a raw pass, where nobody waits for the figures, is not: two
 * looks at the clock cost as much as all the rest of a short visit. */
static unsigned long timed_scan(struct shrink_pass *pass, struct shrinker_impl *s,
				struct shrinker_node *slot, struct shrink_control *sc)
{
	uint64_t begin = shrink_os_clock_real();
	unsigned long freed;

	if (!pass->first_scan)
		pass->first_scan = shrink_os_clock();
	freed = call_scan(pass, s, sc);
	account_time(s, slot, shrink_os_clock_real() - begin, sc->nr_to_scan);
	return freed;
}

unsigned long shrink_slice_scan(struct shrink_pass *pass, struct shrinker_impl *s,
				struct shrink_control *sc)
{
	struct shrinker_node *slot = shrinker_slot(s, sc->nid);
	unsigned long freed;

	freed = pass->raw ? call_scan(pass, s, sc) : timed_scan(pass, s, slot, sc);
	add_u64(&slot->scans, 1);
	account_pending(pass, s, slot, sc);
	if (freed == SHRINK_STOP) {
		add_u64(&slot->stops, 1);
		if (sc->bytes_freed) /* stopped in the middle: what went is gone */
			account_freed(pass, s, slot, sc, 0);
		return freed;
	}
	if (freed > LONG_MAX) {
		shrink_misuse(s, slot, SHRINK_MISUSE_FREED);
		freed = 0;
	}
	if (freed > sc->nr_scanned &&
	    freed > atomic_load_explicit(&slot->last_count, memory_order_relaxed))
		shrink_misuse(s, slot, SHRINK_MISUSE_MORE);
	bound_scanned(s, slot, sc, freed);
	account_freed(pass, s, slot, sc, freed);
	pass->scanned += sc->nr_scanned;
	add_u64(&slot->scanned, sc->nr_scanned);
	return freed;
}
