// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* One pass over all shrinkers, and the plan that says where a pass should start. */
#include <libshrink/base/conf.h>
#include <libshrink/core/core.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-walk.h>

uint64_t shrink_pass_new_id(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static bool callable(struct shrink_pass *pass, struct shrinker_impl *s)
{
	return atomic_load_explicit(&s->enabled, memory_order_relaxed) &&
	       !atomic_load_explicit(&s->stuck, memory_order_relaxed) &&
	       (!pass->aware_only || s->pub.flags & SHRINKER_NUMA_AWARE) &&
	       !shrink_idle_skips(pass, s);
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

typedef void (*visit_fn)(struct shrink_pass *pass, struct shrinker_impl *s, int nid, void *arg);

static bool walk_over(struct shrink_pass *pass)
{
	if (!pass->stopped && !shrink_gate_pass(pass->generation))
		pass->stopped = true;
	return pass->stopped;
}

/* What may end early goes on where the last one ended; but at the highest pressure all
 * are asked by each, so that none gives up because others were at it. */
static bool may_end_early(const struct shrink_pass *pass)
{
	return pass->enough && !pass->planning && pass->how.priority > 0;
}

/* The shrinker, by id, that the next pass of the root that may end early begins with: else
 * a row of small goals would always be met by who registered first. Passes that run at
 * once may overwrite it, and whom it names may be gone: then the first is as good. */
static _Atomic int root_position = -1;

static struct shrinker_impl *begin_at(int id)
{
	struct shrinker_impl *s = id < 0 ? NULL : shrink_registry_first();

	while (s && s->id != id)
		s = shrink_registry_next(s);
	return s ? s : shrink_registry_first();
}

static void remember(const struct shrink_pass *pass, struct shrinker_impl *after)
{
	if (may_end_early(pass))
		atomic_store_explicit(&root_position, after ? after->id : -1,
				      memory_order_relaxed);
}

/* From @s, which is held, to the end, or to the one of id @end. False: the pass is over. */
static bool walk_from(struct shrink_pass *pass, struct shrinker_impl *s, int end, visit_fn visit,
		      void *arg)
{
	while (s && s->id != end) {
		bool over;

		if (callable(pass, s))
			visit_nodes(pass, s, visit, arg);
		over = walk_over(pass);
		s = shrink_registry_next(s);
		if (over) {
			remember(pass, s);
			if (s)
				shrinker_put(s);
			return false;
		}
	}
	if (s)
		shrinker_put(s);
	return true;
}

/* The root: every shrinker there is, in the order they were registered in. */
static void walk_all(struct shrink_pass *pass, visit_fn visit, void *arg)
{
	int from = may_end_early(pass)
			   ? atomic_load_explicit(&root_position, memory_order_relaxed) : -1;
	struct shrinker_impl *s = begin_at(from);
	bool first = !s || s->id != from;

	/* who stands first may be freed meanwhile: then the second half is a whole one, and
	 * asks some twice, which does no harm */
	if (walk_from(pass, s, -1, visit, arg) && !first)
		walk_from(pass, shrink_registry_first(), from, visit, arg);
}

/* Then somebody is asked once more: what was set meanwhile has been seen as clear, or
 * what comes with it is seen now. Pairs with the fence in memcg-map.c, where the race
 * is drawn. */
static void clear_bit(struct shrink_memcg_unit *unit, int id)
{
	atomic_fetch_and_explicit(&unit->map, ~(1ULL << (id % SHRINK_MEMCG_UNIT)),
				  memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

/* Unaware shrinkers have their bits at node 0, and are called for any node; aware
 * ones for their own. */
static bool shrinker_for(const struct shrink_pass *pass, const struct shrinker_impl *s, int nid)
{
	return pass->nid == SHRINK_NUMA_NO_NODE || pass->nid == nid ||
	       !(s->pub.flags & SHRINKER_NUMA_AWARE);
}

/* Whoever set the bit has gone. A new shrinker may take the id meanwhile and have
 * its bit set: the same race as that of SHRINK_EMPTY, so the same answer. */
static void clear_absent(struct shrink_pass *pass, struct shrink_memcg_unit *unit, int nid, int id)
{
	struct shrinker_impl *s;
	bool absent;

	clear_bit(unit, id);
	s = shrinker_get_by_id(id, &absent);
	if (!absent)
		shrink_memcg_set_bit_id(pass->memcg, nid, id);
	if (s)
		shrinker_put(s);
}

/* One set bit. Not to be held: it registers, or ends; then the bit is somebody's
 * yet, or cleared the next time. */
static void visit_bit(struct shrink_pass *pass, struct shrink_memcg_unit *unit, int nid, int id,
		      visit_fn visit, void *arg)
{
	bool absent;
	struct shrinker_impl *s = shrinker_get_by_id(id, &absent);

	if (absent)
		clear_absent(pass, unit, nid, id);
	if (!s)
		return;
	if (callable(pass, s) && s->pub.flags & SHRINKER_MEMCG_AWARE && shrinker_for(pass, s, nid))
		visit(pass, s, nid, arg);
	shrinker_put(s);
}

static void walk_unit(struct shrink_pass *pass, struct shrink_memcg_unit *unit, int nid, int id,
		      visit_fn visit, void *arg)
{
	uint64_t map = atomic_load_explicit(&unit->map, memory_order_relaxed);

	for (; map && !pass->stopped; map &= map - 1) {
		visit_bit(pass, unit, nid, id + __builtin_ctzll(map), visit, arg);
		walk_over(pass);
	}
}

static void walk_bits(struct shrink_pass *pass, int nid, visit_fn visit, void *arg)
{
	uint64_t used = atomic_load_explicit(&pass->memcg->units_used, memory_order_relaxed);
	struct shrink_memcg_unit *unit;

	for (; used && !pass->stopped; used &= used - 1) {
		int u = __builtin_ctzll(used), id = u * SHRINK_MEMCG_UNIT;

		while (!pass->stopped && (unit = shrink_memcg_unit(pass->memcg, nid, id))) {
			walk_unit(pass, unit, nid, id, visit, arg);
			if (u < 63)
				break;
			id += SHRINK_MEMCG_UNIT;
		}
	}
}

/* Another group: what it costs is in proportion to the bits that are set. */
static void walk_group(struct shrink_pass *pass, visit_fn visit, void *arg)
{
	if (!atomic_load_explicit(&pass->memcg->online, memory_order_relaxed))
		return;
	if (pass->nid != SHRINK_NUMA_NO_NODE) {
		walk_bits(pass, pass->nid, visit, arg);
		if (pass->nid && !pass->stopped)
			walk_bits(pass, 0, visit, arg);
		return;
	}
	for (int nid = 0; nid < shrink_core_nr_nodes() && !pass->stopped; nid++)
		walk_bits(pass, nid, visit, arg);
}

static void walk_one(struct shrink_pass *pass, visit_fn visit, void *arg)
{
	if (shrink_memcg_is_root(pass->memcg))
		walk_all(pass, visit, arg);
	else
		walk_group(pass, visit, arg);
}

static void walk_tree(struct shrink_pass *pass, visit_fn visit, void *arg)
{
	struct shrink_memcg_walk w = {
		.top = pass->top,
		.partial = may_end_early(pass),
		.nid = pass->nid,
	};
	struct shrink_memcg *memcg;
	uint64_t before;

	while ((memcg = shrink_memcg_walk_next(&w))) {
		if (pass->spare && pass->spare(pass, memcg))
			continue;
		pass->memcg = memcg;
		before = pass->freed_bytes;
		walk_one(pass, visit, arg);
		shrink_memcg_count_freed(memcg, pass->freed_bytes - before);
		if (pass->stopped) {
			shrink_memcg_walk_end(&w);
			break;
		}
	}
	pass->memcg = pass->top;
}

/*
 * The shrinker says that the group has nothing: its bit is cleared, and it is
 * asked once more, since an object may have come in meanwhile.
 */
static unsigned long clear_and_recheck(struct shrink_pass *pass, struct shrinker_impl *s, int nid)
{
	unsigned long r;

	clear_bit(shrink_memcg_unit(pass->memcg, nid, s->id), s->id);
	r = shrink_do_slice(pass, s, nid);
	if (r != SHRINK_EMPTY)
		shrink_memcg_set_bit_id(pass->memcg, nid, s->id);
	return r;
}

static void visit_slice(struct shrink_pass *pass, struct shrinker_impl *s, int nid, void *arg)
{
	unsigned long *freed = arg, r = shrink_do_slice(pass, s, nid);

	if (r == SHRINK_EMPTY && !shrink_memcg_is_root(pass->memcg))
		r = clear_and_recheck(pass, s, nid);
	*freed += r == SHRINK_EMPTY ? 0 : r;
}

static void begin_pass(struct shrink_pass *pass)
{
	pass->id = shrink_pass_new_id();
	pass->generation = shrink_gate_generation();
	pass->asked_bytes = 0;
	pass->gfp_mask &= ~shrink_context.deny;
	atomic_fetch_add_explicit(&shrink_core_stats.passes, 1, memory_order_relaxed);
}

unsigned long shrink_walk(struct shrink_pass *pass)
{
	unsigned long freed = 0;

	begin_pass(pass);
	walk_one(pass, visit_slice, &freed);
	shrink_pass_tell(pass);
	return freed;
}

unsigned long shrink_walk_tree(struct shrink_pass *pass)
{
	unsigned long freed = 0;

	begin_pass(pass);
	walk_tree(pass, visit_slice, &freed);
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
	pass->planning = true;
	walk_tree(pass, visit_plan, yields);
	pass->planning = false;
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
		.memcg = memcg ? memcg : shrink_memcg_root_group,
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
		.memcg = memcg ? memcg : shrink_memcg_root_group,
		.how = {
			.variant = SHRINK_ARITH_PROPORTIONAL,
			.nr_scanned = nr_scanned,
			.nr_eligible = nr_eligible,
		},
	};

	return raw_pass(&pass);
}

static unsigned long drop_once(void)
{
	struct shrink_pass pass = {
		.gfp_mask = SHRINK_GFP_ALL,
		.nid = SHRINK_NUMA_NO_NODE,
		.memcg = shrink_memcg_root_group,
		.top = shrink_memcg_root_group,
		.raw = true,
		.how = {.variant = (enum shrink_arith_variant)SHRINK_TUN(arith), .priority = 0},
	};
	unsigned long freed;

	if (!shrink_gate_enter())
		return 0;
	freed = shrink_walk_tree(&pass);
	shrink_gate_exit();
	return freed;
}

/* Every group, root first. The shift grows each round, so that caches which refill
 * cannot keep it going: within 64 rounds freed >> round is 0 (contract 4.7). */
unsigned long shrink_drop_all(void)
{
	unsigned long total = 0, freed;
	unsigned int round = 0;

	do {
		freed = drop_once();
		total += freed;
	} while (round < 63 && (freed >> round++) > 1);
	return total;
}
