// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* One pass over all shrinkers, and the plan that says where a pass should start. */
#include <libshrink/base/conf.h>
#include <libshrink/core/core.h>
#include <libshrink/core/memcg.h>

uint64_t shrink_pass_new_id(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static bool callable(struct shrinker_impl *s)
{
	return atomic_load_explicit(&s->enabled, memory_order_relaxed) &&
	       !atomic_load_explicit(&s->stuck, memory_order_relaxed);
}

/*
 * Calls @visit for a shrinker at each node the pass is for. A shrinker that is
 * not NUMA-aware has one shard and is visited once per pass, where the kernel
 * visits it once per node (docs/porting.md).
 */
static void visit_nodes(struct shrink_pass *pass, struct shrinker_impl *s,
			void (*visit)(struct shrink_pass *, struct shrinker_impl *, int, void *),
			void *arg)
{
	if (pass->nid != SHRINK_NUMA_NO_NODE) {
		visit(pass, s, pass->nid, arg);
		return;
	}
	for (int nid = 0; nid < s->nr_nodes && !pass->stopped && !shrinker_dying(s); nid++)
		visit(pass, s, nid, arg);
}

static void walk(struct shrink_pass *pass,
		 void (*visit)(struct shrink_pass *, struct shrinker_impl *, int, void *),
		 void *arg)
{
	struct shrinker_impl *s = shrink_registry_first();

	for (; s; s = shrink_registry_next(s)) {
		if (callable(s))
			visit_nodes(pass, s, visit, arg);
		if (pass->stopped || !shrink_gate_pass(pass->generation)) {
			pass->stopped = true;
			shrinker_put(s);
			return;
		}
	}
}

static void visit_slice(struct shrink_pass *pass, struct shrinker_impl *s, int nid, void *arg)
{
	unsigned long *freed = arg, r = shrink_do_slice(pass, s, nid);

	*freed += r == SHRINK_EMPTY ? 0 : r;
}

unsigned long shrink_walk(struct shrink_pass *pass)
{
	unsigned long freed = 0;

	pass->id = shrink_pass_new_id();
	pass->generation = shrink_gate_generation();
	pass->asked_bytes = 0;
	pass->gfp_mask &= ~shrink_context.deny;
	atomic_fetch_add_explicit(&shrink_core_stats.passes, 1, memory_order_relaxed);
	walk(pass, visit_slice, &freed);
	shrink_pass_tell(pass);
	return freed;
}

/* A cache yields no more than it has, whatever its delta says. */
static void visit_plan(struct shrink_pass *pass, struct shrinker_impl *s, int nid, void *arg)
{
	unsigned long freeable = shrink_slice_count(pass, s, nid);
	struct shrink_arith_how how = pass->how;
	uint64_t *yields = arg, size;

	if (!freeable || freeable == SHRINK_EMPTY)
		return;
	size = shrinker_object_bytes(s);
	if (pass->direct_only && !(s->pub.flags & SHRINKER_DIRECT)) {
		pass->refused_bytes = shrink_add_u64(pass->refused_bytes,
						     shrink_mul_div(freeable, size, 1));
		return;
	}
	how.seeks = atomic_load_explicit(&s->seeks, memory_order_relaxed);
	for (how.priority = 0; how.priority <= SHRINK_DEF_PRIORITY; how.priority++) {
		uint64_t n = shrink_min_u64(shrink_arith_delta(&how, (long)freeable), freeable);

		yields[how.priority] =
			shrink_add_u64(yields[how.priority], shrink_mul_div(n, size, 1));
	}
}

void shrink_walk_plan(struct shrink_pass *pass, uint64_t yields[SHRINK_DEF_PRIORITY + 1])
{
	for (int p = 0; p <= SHRINK_DEF_PRIORITY; p++)
		yields[p] = 0;
	pass->generation = shrink_gate_generation();
	pass->gfp_mask &= ~shrink_context.deny;
	walk(pass, visit_plan, yields);
}

static unsigned long raw_pass(struct shrink_pass *pass)
{
	unsigned long freed;

	if (pass->nid != SHRINK_NUMA_NO_NODE &&
	    (pass->nid < 0 || pass->nid >= shrink_core_nr_nodes()))
		return 0;
	if (!shrink_gate_enter())
		return 0;
	pass->raw = true;
	freed = shrink_walk(pass);
	shrink_gate_exit();
	return freed;
}

unsigned long shrink_slab(shrink_gfp_t gfp_mask, int nid, struct shrink_memcg *memcg, int priority)
{
	struct shrink_pass pass = {
		.gfp_mask = gfp_mask,
		.nid = nid,
		.memcg = memcg ? memcg : &shrink_memcg_root_group,
		.how = {
			.variant = (enum shrink_arith_variant)SHRINK_TUN(arith),
			.priority = priority < 0 ? 0 : priority > SHRINK_DEF_PRIORITY ?
				    SHRINK_DEF_PRIORITY : priority,
		},
	};

	return raw_pass(&pass);
}

unsigned long shrink_slab_proportional(shrink_gfp_t gfp_mask, int nid, struct shrink_memcg *memcg,
				       unsigned long nr_scanned, unsigned long nr_eligible)
{
	struct shrink_pass pass = {
		.gfp_mask = gfp_mask,
		.nid = nid,
		.memcg = memcg ? memcg : &shrink_memcg_root_group,
		.how = {
			.variant = SHRINK_ARITH_PROPORTIONAL,
			.nr_scanned = nr_scanned,
			.nr_eligible = nr_eligible,
		},
	};

	return raw_pass(&pass);
}

/* The shift grows each round, so that caches which refill cannot keep it going:
 * within 64 rounds freed >> round is 0 (contract 4.7). */
unsigned long shrink_drop_all(void)
{
	unsigned long total = 0, freed;
	unsigned int round = 0;

	do {
		freed = shrink_slab(SHRINK_GFP_ALL, SHRINK_NUMA_NO_NODE, NULL, 0);
		total += freed;
	} while (round < 63 && (freed >> round++) > 1);
	return total;
}
