// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <limits.h>

#include <libshrink/base/conf.h>
#include <libshrink/core/memcg-walk.h>
#include <libshrink/core/request.h>
#include <libshrink/os/clock.h>

void shrink_request_begin(struct shrink_pass *pass)
{
	pass->id = shrink_pass_new_id();
	pass->generation = shrink_gate_generation();
	pass->gfp_mask &= ~shrink_context.deny;
	atomic_fetch_add_explicit(&shrink_core_stats.passes, 1, memory_order_relaxed);
}

static bool over(struct shrink_pass *pass, struct shrinker_impl *s)
{
	if (!shrink_gate_goes_on(pass->generation) ||
	    (pass->deadline && shrink_os_clock() >= pass->deadline))
		pass->stopped = true;
	return pass->stopped || shrinker_dying(s);
}

static unsigned long count_here(struct shrink_pass *pass, struct shrinker_impl *s, int nid)
{
	unsigned long n;

	if (pass->spare && pass->spare(pass, pass->memcg))
		return 0;
	n = shrink_slice_count(pass, s, nid);
	return n == SHRINK_EMPTY ? 0 : n;
}

/* Asked for all of @n, to the last part of a batch: it is wanted, not reckoned. */
static unsigned long scan_here(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
			       unsigned long n)
{
	long batch = atomic_load_explicit(&s->batch, memory_order_relaxed);
	unsigned long most = batch > 0 ? (unsigned long)batch : SHRINK_BATCH;
	unsigned long freed = 0, still = 0, r;

	while (n && !over(pass, s)) {
		struct shrink_control sc = {
			.gfp_mask = pass->gfp_mask,
			.nid = nid,
			.nr_to_scan = n < most ? n : most,
			.nr_scanned = n < most ? n : most,
			.memcg = pass->memcg,
			.bytes_to_free = shrink_mul_div(n, shrinker_object_bytes(s), 1),
			.deadline_nsec = pass->deadline,
		};

		r = shrink_slice_scan(pass, s, &sc);
		if (r == SHRINK_STOP)
			break;
		freed += r;
		n -= sc.nr_scanned < n ? sc.nr_scanned : n;
		still = sc.nr_scanned ? 0 : still + 1;
		if (still >= SHRINK_TUN(zero_scans)) {
			shrink_misuse(s, shrinker_slot(s, nid), SHRINK_MISUSE_ENDLESS);
			break;
		}
	}
	return freed;
}

static bool has_bit(struct shrink_memcg *memcg, struct shrinker_impl *s, int nid)
{
	struct shrink_memcg_unit *unit = shrink_memcg_unit(memcg, shrinker_nid(s, nid), s->id);

	return unit && atomic_load_explicit(&unit->map, memory_order_relaxed) &
			       1ULL << (s->id % SHRINK_MEMCG_UNIT);
}

/* Calls @fn in each group where the shrinker may have objects; the root is always one. */
static void each_group(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
		       void (*fn)(struct shrink_pass *, struct shrinker_impl *, int, void *),
		       void *arg)
{
	struct shrink_memcg_walk w = {.top = shrink_memcg_root_group, .nid = nid};
	struct shrink_memcg *memcg;

	pass->top = shrink_memcg_root_group;
	if (!(s->pub.flags & SHRINKER_MEMCG_AWARE)) {
		pass->memcg = shrink_memcg_root_group;
		fn(pass, s, nid, arg);
		return;
	}
	while ((memcg = shrink_memcg_walk_next(&w))) {
		if (!shrink_memcg_is_root(memcg) && !has_bit(memcg, s, nid))
			continue;
		pass->memcg = memcg;
		fn(pass, s, nid, arg);
		if (over(pass, s)) {
			shrink_memcg_walk_end(&w);
			break;
		}
	}
	pass->memcg = shrink_memcg_root_group;
}

static void add_count(struct shrink_pass *pass, struct shrinker_impl *s, int nid, void *arg)
{
	unsigned long *sum = arg;

	*sum = (unsigned long)shrink_add_u64(*sum, count_here(pass, s, nid));
}

unsigned long shrink_request_count(struct shrink_pass *pass, struct shrinker_impl *s, int nid)
{
	unsigned long sum = 0;

	if (!atomic_load_explicit(&s->enabled, memory_order_relaxed) ||
	    atomic_load_explicit(&s->stuck, memory_order_relaxed) || nid >= s->nr_nodes)
		return 0;
	each_group(pass, s, nid, add_count, &sum);
	return sum < LONG_MAX ? sum : LONG_MAX;
}

/* Deals @left of @total out over the groups, what is left over to those behind. */
struct deal {
	unsigned long left, total, freed;
};

static void scan_share(struct shrink_pass *pass, struct shrinker_impl *s, int nid, void *arg)
{
	struct deal *d = arg;
	unsigned long here = count_here(pass, s, nid), n;

	if (!here || !d->left || !d->total)
		return;
	n = here >= d->total ? d->left : (unsigned long)shrink_mul_div(d->left, here, d->total);
	n += shrink_mul_div(n, d->total, here) < d->left; /* up: else the last is left over */
	n = n < here ? n : here;
	n = n < d->left ? n : d->left;
	d->total -= here < d->total ? here : d->total;
	d->left -= n;
	d->freed += scan_here(pass, s, nid, n);
}

unsigned long shrink_request_scan(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
				  unsigned long objects)
{
	struct deal d = {.left = objects, .total = shrink_request_count(pass, s, nid)};

	if (d.left > d.total)
		d.left = d.total;
	if (d.left && !over(pass, s))
		each_group(pass, s, nid, scan_share, &d);
	return d.freed;
}

long shrink_request_post(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
			 unsigned long objects)
{
	unsigned long n = shrink_request_count(pass, s, nid);

	n = objects < n ? objects : n;
	if (!n)
		return 0;
	pass->posted_bytes = shrink_add_u64(pass->posted_bytes,
					    shrink_mul_div(n, shrinker_object_bytes(s), 1));
	return shrink_owner_post(s, nid, n, pass) ? (long)n : -EAGAIN;
}
