// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/core/rcu.h>
#include <libshrink/reclaim/gauges.h>

/* The worst slope fades by an eighth in so long: a burst at start-up should not
 * cost headroom for a week. */
#define SLOPE_FADE_NSEC (60 * NSEC_PER_SEC)
/* Growth over less than this says more about batching of charges than of slope. */
#define SLOPE_MIN_NSEC NSEC_PER_MSEC
/* No processes touch memory this fast. Usage that seems to was moved at once (a
 * group's charges, a limit's group, a test's number), and says nothing of growth. */
#define SLOPE_MAX (64ULL << 30)
/*
 * Growth assumed where less has been seen, for deciding when to look again: what was
 * quiet so far, or grew between two samples only, may begin at any moment. Where the
 * kernel tells of usage on its way to the mark little is assumed. Else a neighbour is
 * to be met that comes at 2 GiB/s out of nothing: half the time at half of that has us
 * look when it is at the mark, and every 10 ms at most (20 MiB of it; 1 % of a core).
 */
#define SLOPE_ASSUMED (128ULL << 20)
#define SLOPE_SUDDEN (1ULL << 30)
#define SUDDEN_MIN_USEC 10000

/* Lateness fades by so much with each time that was not as late, about 100 a second
 * near the edge; and beyond this it is not scheduling any more. */
#define LATE_FADE 1024
#define LATE_MAX_USEC 50000

/* Exact readings that may fail in a row. */
#define UNREAD_MAX 16

static _Atomic uint64_t late_usec;

struct entry {
	struct shrink_gauge *gauge;
	_Atomic int dropped;
	_Atomic int error;            /* of reading, negative errno, */
	_Atomic unsigned int errors;  /*	and how often in a row */
	_Atomic uint64_t reclaimable; /* of the last exact reading, */
	_Atomic unsigned int unread;  /*	and how many have failed since */
	_Atomic uint64_t slope;       /* worst, bytes per second, */
	_Atomic uint64_t late;        /*	and how late we were then, usec */
	/* monitor only: the sample before */
	uint64_t last_usage, last_time, faded;
	uint64_t last_own; /* unreclaimable; UINT64_MAX = was not read */
	uint64_t grows;    /* the slope now, smoothed */
};

static _Atomic uint64_t outlook_slope, outlook_usec = UINT64_MAX;

static struct entry entries[SHRINK_GAUGES_MAX];
static _Atomic unsigned int nr_entries;

static void forget(struct entry *e)
{
	atomic_store(&e->errors, 0);
	atomic_store(&e->reclaimable, 0);
	atomic_store(&e->unread, 0);
	atomic_store(&e->slope, 0);
	atomic_store(&e->late, 0);
	e->last_usage = e->last_time = e->faded = e->grows = 0;
	e->last_own = UINT64_MAX;
	atomic_store(&e->dropped, 0);
}

void shrink_gauges_reset(void)
{
	atomic_store(&nr_entries, 0);
	atomic_store(&late_usec, 0);
	atomic_store(&outlook_slope, 0);
	atomic_store(&outlook_usec, UINT64_MAX);
	for (unsigned int i = 0; i < SHRINK_GAUGES_MAX; i++) {
		entries[i].gauge = NULL;
		forget(&entries[i]);
	}
}

int shrink_gauges_add(struct shrink_gauge *gauge)
{
	unsigned int n = atomic_load(&nr_entries);

	for (unsigned int i = 0; i < n; i++)
		if (entries[i].gauge == gauge)
			return 0;
	if (n == SHRINK_GAUGES_MAX)
		return -ENOSPC;
	entries[n].gauge = gauge;
	atomic_store(&nr_entries, n + 1);
	return 0;
}

void shrink_gauges_drop(struct shrink_gauge *gauge)
{
	for (unsigned int i = 0; i < atomic_load(&nr_entries); i++)
		if (entries[i].gauge == gauge)
			atomic_store(&entries[i].dropped, 1);
}

void shrink_gauges_renew(struct shrink_gauge *gauge)
{
	for (unsigned int i = 0; i < atomic_load(&nr_entries); i++)
		if (entries[i].gauge == gauge)
			forget(&entries[i]);
}

int shrink_gauges_error(const struct shrink_gauge *gauge, unsigned int *ret_times)
{
	*ret_times = 0;
	for (unsigned int i = 0; i < atomic_load(&nr_entries); i++) {
		if (entries[i].gauge != gauge)
			continue;
		*ret_times = atomic_load_explicit(&entries[i].errors, memory_order_relaxed);
		if (*ret_times)
			return atomic_load_explicit(&entries[i].error, memory_order_relaxed);
	}
	return 0;
}

static void derive(struct shrink_headroom *h)
{
	h->unreclaimable = shrink_sub_u64(h->usage, h->reclaimable);
	h->free = shrink_sub_u64(h->limit, h->unreclaimable);
	h->need = shrink_sub_u64(h->wmark.high, h->free);
}

/*
 * What the kernel could take cannot be read now. A number from another time could
 * make page cache look like pressure (G7), so nothing is missing until the next
 * look, a moment from now; only where it goes on does what was read last count.
 */
static void unread(struct entry *e, struct shrink_headroom *h)
{
	h->reclaimable = shrink_min_u64(
		atomic_load_explicit(&e->reclaimable, memory_order_relaxed), h->usage);
	derive(h);
	if (atomic_fetch_add_explicit(&e->unread, 1, memory_order_relaxed) >= UNREAD_MAX)
		return;
	h->free = shrink_max_u64(h->free, h->wmark.high);
	h->need = 0;
}

static void read_exact(struct entry *e, struct shrink_headroom *h)
{
	struct shrink_gauge_reading r;

	if (e->gauge->read(e->gauge, 1, &r) < 0) {
		unread(e, h);
		return;
	}
	atomic_store_explicit(&e->unread, 0, memory_order_relaxed);
	atomic_store_explicit(&e->reclaimable, r.reclaimable, memory_order_relaxed);
	h->usage = r.usage;
	h->reclaimable = shrink_min_u64(r.reclaimable, h->usage);
	derive(h);
}

/* The cheap half. False: the gauge says nothing now. */
static bool read_raw(struct entry *e, struct shrink_headroom *h)
{
	struct shrink_gauge_reading r = {.limit = 0};
	uint64_t slope = atomic_load_explicit(&e->slope, memory_order_relaxed);

	int err;

	h->usage = 0;
	if (atomic_load_explicit(&e->dropped, memory_order_relaxed))
		return false;
	err = e->gauge->read(e->gauge, 0, &r);
	if (err < 0) {
		atomic_store_explicit(&e->error, err, memory_order_relaxed);
		atomic_fetch_add_explicit(&e->errors, 1, memory_order_relaxed);
	} else if (atomic_load_explicit(&e->errors, memory_order_relaxed)) {
		atomic_store_explicit(&e->errors, 0, memory_order_relaxed);
	}
	if (err < 0 || r.limit == UINT64_MAX || !r.limit) {
		h->usage = err < 0 ? 0 : r.usage;
		return false;
	}
	*h = (struct shrink_headroom){
		.known = true,
		.limited = r.kind == SHRINK_LIMIT_CGROUP1 || r.kind == SHRINK_LIMIT_CGROUP2 ||
			   r.kind == SHRINK_LIMIT_SIMULATED,
		.limit = r.limit,
		.usage = r.usage,
		.wmark = shrink_wmark(r.limit, slope,
				      atomic_load_explicit(&e->late, memory_order_relaxed),
				      r.slack),
		.kind = r.kind,
		.path = r.path,
		.name = e->gauge->name,
	};
	derive(h);
	return true;
}

static bool read_one(struct entry *e, bool exact, struct shrink_headroom *h)
{
	if (!read_raw(e, h))
		return false;
	if (!h->need) /* enough even if nothing of it were reclaimable */
		return true;
	if (exact) {
		read_exact(e, h);
		return true;
	}
	h->reclaimable = shrink_min_u64(
		atomic_load_explicit(&e->reclaimable, memory_order_relaxed), h->usage);
	derive(h);
	return true;
}

/* Tighter: wants more, or, where neither wants, has less to its low mark. */
static bool tighter(const struct shrink_headroom *a, const struct shrink_headroom *b)
{
	if (!b->known || a->need != b->need)
		return !b->known || a->need > b->need;
	return shrink_sub_u64(a->free, a->wmark.low) < shrink_sub_u64(b->free, b->wmark.low);
}

/* The tightest speaks for all. True: this one does. */
static bool take(const struct shrink_headroom *from, struct shrink_headroom *ret)
{
	bool limited = ret->limited || from->limited, is_it = tighter(from, ret);

	if (is_it)
		*ret = *from;
	ret->limited = limited;
	return is_it;
}

/* It has no limit: still, what it shows is better than nothing. */
static void note_usage(const struct shrink_headroom *from, struct shrink_headroom *ret)
{
	if (!ret->known)
		ret->usage = shrink_max_u64(ret->usage, from->usage);
}

void shrink_gauges_read(bool exact, struct shrink_headroom *ret)
{
	*ret = (struct shrink_headroom){.limit = UINT64_MAX, .path = "", .name = ""};
	shrink_rcu_read_lock();
	for (unsigned int i = 0; i < atomic_load_explicit(&nr_entries, memory_order_acquire); i++) {
		struct shrink_headroom h;

		if (!read_one(&entries[i], exact, &h))
			note_usage(&h, ret);
		else
			take(&h, ret);
	}
	shrink_rcu_read_unlock();
	if (!ret->known)
		ret->free = UINT64_MAX;
}

static void fade(struct entry *e, uint64_t now)
{
	uint64_t slope = atomic_load_explicit(&e->slope, memory_order_relaxed);

	if (now - e->faded < SLOPE_FADE_NSEC)
		return;
	e->faded = now;
	atomic_store_explicit(&e->slope, slope - slope / 8, memory_order_relaxed);
}

static uint64_t slope_of(const struct entry *e, uint64_t now, uint64_t before, uint64_t usage,
			 uint64_t returned)
{
	uint64_t grown = shrink_sub_u64(shrink_add_u64(usage, returned), before);
	uint64_t slope = shrink_mul_div(grown, NSEC_PER_SEC, now - e->last_time);

	return slope < SLOPE_MAX ? slope : 0;
}

/* What can grow before we are there: slope and lateness of one moment. Taken each
 * by itself, lateness alone would raise low beside a cache that stands still (G7). */
static uint64_t ramp(uint64_t slope, uint64_t late)
{
	return shrink_mul_div(slope, SHRINK_TUN(slope_horizon) + late, 1000000);
}

static void keep_worst(struct entry *e, uint64_t slope)
{
	uint64_t late = atomic_load_explicit(&late_usec, memory_order_relaxed);

	if (ramp(slope, late) <= ramp(atomic_load_explicit(&e->slope, memory_order_relaxed),
				      atomic_load_explicit(&e->late, memory_order_relaxed)))
		return;
	atomic_store_explicit(&e->slope, slope, memory_order_relaxed);
	atomic_store_explicit(&e->late, late, memory_order_relaxed);
}

/*
 * Learns from a sample; returns the slope to go by until the next. Only growth of
 * what the kernel cannot take counts: a file read once through the page cache
 * grows steeply too, and low must not rise for it (G7). That is dear to read, so it
 * is read only when raw growth would be a new worst. Where it was not read in the
 * sample before, growth is known from below only, and raw growth has us look again
 * soon.
 */
static uint64_t learn_slope(struct entry *e, uint64_t now, struct shrink_headroom *h,
			    uint64_t returned)
{
	uint64_t worst = atomic_load_explicit(&e->slope, memory_order_relaxed), slope = 0, own;
	bool exact = h->need || h->reclaimable;

	if (e->last_time && now - e->last_time < SLOPE_MIN_NSEC)
		return worst;
	if (!e->last_time)
		e->faded = now;
	else
		slope = slope_of(e, now, e->last_usage, h->usage, returned);
	if (slope > worst && !exact) {
		read_exact(e, h);
		exact = true;
	}
	own = exact ? h->unreclaimable : UINT64_MAX;
	if (e->last_time && exact) {
		/* not read then: it was no more than all of the usage */
		uint64_t before = e->last_own != UINT64_MAX ? e->last_own : e->last_usage;
		uint64_t known = slope_of(e, now, before, own, returned);

		keep_worst(e, known);
		if (e->last_own != UINT64_MAX)
			slope = known;
	}
	if (e->last_time)
		fade(e, now);
	/* up at once, down by and by: growth comes in steps */
	e->grows = shrink_max_u64(slope, e->grows - e->grows / 4);
	e->last_time = now;
	e->last_usage = h->usage;
	e->last_own = own;
	return shrink_max_u64(slope, worst);
}

/* Half the time to the mark at the worst slope, in usec. */
static uint64_t time_to_look(const struct shrink_headroom *h, uint64_t slope, bool watched)
{
	uint64_t distance = shrink_sub_u64(shrink_sub_u64(h->limit, h->usage), h->wmark.low);
	uint64_t sudden = shrink_mul_div(distance, 500000, SLOPE_SUDDEN);
	uint64_t usec = shrink_mul_div(distance, 500000, shrink_max_u64(slope, SLOPE_ASSUMED));

	return watched ? usec : shrink_min_u64(usec, shrink_max_u64(sudden, SUDDEN_MIN_USEC));
}

static void set_outlook(const struct shrink_headroom *h, uint64_t slope)
{
	uint64_t usec = slope && h->known ? shrink_mul_div(h->free, 1000000, slope) : UINT64_MAX;

	atomic_store_explicit(&outlook_slope, slope, memory_order_relaxed);
	atomic_store_explicit(&outlook_usec, usec, memory_order_relaxed);
}

struct shrink_outlook shrink_gauges_outlook(void)
{
	return (struct shrink_outlook){
		.slope = atomic_load_explicit(&outlook_slope, memory_order_relaxed),
		.exhaustion_usec = atomic_load_explicit(&outlook_usec, memory_order_relaxed),
	};
}

uint64_t shrink_gauges_sample(uint64_t now, uint64_t returned, bool watched,
			      struct shrink_headroom *ret)
{
	uint64_t usec = UINT64_MAX, grows = 0;

	*ret = (struct shrink_headroom){.limit = UINT64_MAX, .path = "", .name = ""};
	shrink_rcu_read_lock();
	for (unsigned int i = 0; i < atomic_load_explicit(&nr_entries, memory_order_acquire); i++) {
		struct entry *e = &entries[i];
		struct shrink_headroom h;

		if (!read_one(e, true, &h)) {
			note_usage(&h, ret);
			continue;
		}
		usec = shrink_min_u64(usec, time_to_look(&h, learn_slope(e, now, &h, returned),
							 watched));
		if (take(&h, ret))
			grows = e->grows;
	}
	shrink_rcu_read_unlock();
	if (!ret->known)
		ret->free = UINT64_MAX;
	set_outlook(ret, grows);
	return usec;
}

/* Two threads may lose each other's update: it is an estimate. */
void shrink_gauges_late(uint64_t nsec)
{
	uint64_t worst = atomic_load_explicit(&late_usec, memory_order_relaxed);
	uint64_t now = shrink_min_u64(nsec / NSEC_PER_USEC, LATE_MAX_USEC);

	if (now < worst)
		now = worst - (worst + LATE_FADE - 1) / LATE_FADE;
	atomic_store_explicit(&late_usec, now, memory_order_relaxed);
}

uint64_t shrink_gauges_worst_slope(void)
{
	uint64_t worst = 0;

	for (unsigned int i = 0; i < atomic_load_explicit(&nr_entries, memory_order_acquire); i++)
		worst = shrink_max_u64(worst, atomic_load_explicit(&entries[i].slope,
								   memory_order_relaxed));
	return worst;
}
