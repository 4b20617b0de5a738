// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Which shrinkers have objects in a group, and what they put off there.
 *
 * A bit is set when a list goes from empty to not empty, and cleared only when a
 * shrinker says SHRINK_EMPTY. Both may happen at once:
 *
 *	insert				shrinker
 *	object becomes countable	clear bit
 *	fence				fence
 *	set bit				count again; not empty: set bit
 *
 * Either the set comes after the clear, or the second count sees the object.
 * Without one of the fences both can miss, and the object is lost to reclaim until
 * the list has been empty once more (contract 3.5). The inserter's half is
 * shrink_memcg_set_bit_id(), the shrinker's is clear_bit() in walk.c.
 */
#include <errno.h>
#include <limits.h>

#include <libshrink/core/memcg-map.h>
#include <libshrink/os/alloc.h>

static unsigned int nr_units; /* each map has so many; registry lock */

static struct shrink_memcg_units *units_of(struct shrink_memcg *memcg, int nid)
{
	return atomic_load_explicit(&memcg->node[nid].units, memory_order_acquire);
}

struct shrink_memcg_unit *shrink_memcg_unit(struct shrink_memcg *memcg, int nid, int id)
{
	unsigned int u = (unsigned int)id / SHRINK_MEMCG_UNIT;
	struct shrink_memcg_units *units;

	if (shrink_memcg_is_root(memcg) || id < 0)
		return NULL;
	units = units_of(memcg, nid);
	return units && u < units->nr ? units->unit[u] : NULL;
}

/* The bit of units_used that stands for the unit, and for those after the last. */
static unsigned int summary_of(unsigned int unit)
{
	return unit < 63 ? unit : 63;
}

static bool any_in(struct shrink_memcg *memcg, unsigned int summary)
{
	for (int nid = 0; nid < shrink_core_nr_nodes(); nid++) {
		struct shrink_memcg_units *units = units_of(memcg, nid);

		for (unsigned int i = summary; units && i < units->nr; i++) {
			if (atomic_load(&units->unit[i]->map))
				return true;
			if (summary < 63)
				break;
		}
	}
	return false;
}

/*
 * A bit of units_used is cleared here alone. All of it sequentially consistent:
 *
 *	set bit in map			clear bit of units_used
 *	units_used clear? set it	look at maps once more; set? set it again
 */
bool shrink_memcg_any_bit(struct shrink_memcg *memcg)
{
	uint64_t used = atomic_load_explicit(&memcg->units_used, memory_order_relaxed);

	for (; used; used &= used - 1) {
		unsigned int summary = (unsigned int)__builtin_ctzll(used);

		if (any_in(memcg, summary))
			return true;
		atomic_fetch_and(&memcg->units_used, ~(1ULL << summary));
		if (!any_in(memcg, summary))
			continue;
		atomic_fetch_or(&memcg->units_used, 1ULL << summary);
		return true;
	}
	return false;
}

/* A map of @nr units for one node: the old ones shared, the rest new. */
static int grow_node(struct shrink_memcg_node *node, unsigned int nr)
{
	struct shrink_memcg_units *old = atomic_load_explicit(&node->units, memory_order_relaxed);
	unsigned int have = old ? old->nr : 0;
	struct shrink_memcg_units *units;

	if (have >= nr)
		return 0;
	units = shrink_os_alloc(sizeof(*units) + nr * sizeof(units->unit[0]));
	if (!units)
		return -ENOMEM;
	units->nr = nr;
	for (unsigned int i = 0; i < nr; i++) {
		units->unit[i] = i < have ? old->unit[i] : shrink_os_alloc(sizeof(*units->unit[0]));
		if (units->unit[i])
			continue;
		while (i-- > have)
			shrink_os_free(units->unit[i]);
		shrink_os_free(units);
		return -ENOMEM;
	}
	units->older = old;
	atomic_store_explicit(&node->units, units, memory_order_release);
	return 0;
}

static int grow(struct shrink_memcg *memcg, unsigned int nr)
{
	for (int nid = 0; nid < shrink_core_nr_nodes(); nid++)
		if (grow_node(&memcg->node[nid], nr) < 0)
			return -ENOMEM;
	return 0;
}

int shrink_memcg_map_alloc(struct shrink_memcg *memcg)
{
	return grow(memcg, nr_units);
}

void shrink_memcg_map_free(struct shrink_memcg *memcg)
{
	for (int nid = 0; nid < shrink_core_nr_nodes(); nid++) {
		struct shrink_memcg_units *units = units_of(memcg, nid), *older;

		for (unsigned int i = 0; units && i < units->nr; i++)
			shrink_os_free(units->unit[i]);
		for (; units; units = older) {
			older = units->older;
			shrink_os_free(units);
		}
	}
}

/* Online groups only; the walk needs no references under the registry lock. */
static struct shrink_memcg *next_locked(struct shrink_memcg *memcg)
{
	if (!shrink_list_empty(&memcg->children))
		return shrink_list_entry(memcg->children.next, struct shrink_memcg, sibling);
	for (; memcg->parent; memcg = memcg->parent)
		if (memcg->sibling.next != &memcg->parent->children)
			return shrink_list_entry(memcg->sibling.next, struct shrink_memcg, sibling);
	return NULL;
}

/* Groups already grown stay so when another fails: room does no harm. */
int shrink_memcg_make_room(int id)
{
	unsigned int nr = (unsigned int)id / SHRINK_MEMCG_UNIT + 1;
	struct shrink_memcg *memcg = shrink_memcg_root_group;

	if (nr <= nr_units)
		return 0;
	while ((memcg = next_locked(memcg)))
		if (grow(memcg, nr) < 0)
			return -ENOMEM;
	nr_units = nr;
	return 0;
}

static void forget(struct shrink_memcg *memcg, int id)
{
	uint64_t bit = 1ULL << (id % SHRINK_MEMCG_UNIT);

	for (int nid = 0; nid < shrink_core_nr_nodes(); nid++) {
		struct shrink_memcg_unit *u = shrink_memcg_unit(memcg, nid, id);

		if (!u)
			continue;
		atomic_fetch_and(&u->map, ~bit);
		atomic_store(&u->deferred[id % SHRINK_MEMCG_UNIT], 0);
	}
}

/* The next shrinker of this id must not inherit another's debts. */
void shrink_memcg_forget_id(int id)
{
	struct shrink_memcg *memcg = shrink_memcg_root_group;

	while ((memcg = next_locked(memcg)))
		forget(memcg, id);
}

static void set_bit_here(struct shrink_memcg *memcg, struct shrink_memcg_unit *u, int id)
{
	uint64_t bit = 1ULL << (id % SHRINK_MEMCG_UNIT);
	uint64_t used = 1ULL << summary_of((unsigned int)id / SHRINK_MEMCG_UNIT);

	/* Pairs with the fence in clear_bit(): see above */
	atomic_thread_fence(memory_order_seq_cst);
	if (!(atomic_load_explicit(&u->map, memory_order_relaxed) & bit))
		atomic_fetch_or(&u->map, bit);
	if (!(atomic_load(&memcg->units_used) & used))
		atomic_fetch_or(&memcg->units_used, used);
}

/*
 * Objects of a group that has gone offline are its parent's, and it may go offline
 * right here:
 *
 *	set bit				online = 0
 *	offline? set the parent's	take the bits, set the parent's
 *
 * all of it sequentially consistent, so one of the two sets the parent's. A bit that
 * was found set is taken.
 */
void shrink_memcg_set_bit_id(struct shrink_memcg *memcg, int nid, int id)
{
	for (; !shrink_memcg_is_root(memcg); memcg = memcg->parent) {
		struct shrink_memcg_unit *u = shrink_memcg_unit(memcg, nid, id);

		if (u)
			set_bit_here(memcg, u, id);
		if (atomic_load(&memcg->online))
			return;
	}
}

void shrink_memcg_set_bit(struct shrink_memcg *memcg, int nid, const struct shrinker *s)
{
	if (!s || nid < 0 || nid >= shrink_core_nr_nodes() || !(s->flags & SHRINKER_MEMCG_AWARE))
		return;
	shrink_memcg_set_bit_id(memcg, s->flags & SHRINKER_NUMA_AWARE ? nid : 0, shrinker_id(s));
}

static _Atomic long *deferred_at(struct shrink_memcg *memcg, struct shrinker_impl *s, int nid,
				 int id)
{
	struct shrink_memcg_unit *u = shrink_memcg_unit(memcg, nid, id);

	if (u)
		return &u->deferred[id % SHRINK_MEMCG_UNIT];
	return s ? &shrinker_slot(s, nid)->nr_deferred : NULL;
}

/* The same race as that of bits: the mover's exchange finds what we add, or we find
 * the group offline and move it ourselves. */
long shrink_memcg_defer(struct shrink_memcg *memcg, struct shrinker_impl *s, int nid, long objects)
{
	for (;; memcg = memcg->parent) {
		_Atomic long *here = deferred_at(memcg, s, nid, s->id);
		long total = atomic_fetch_add(here, objects) + objects;

		if (atomic_load(&memcg->online))
			return total;
		objects = atomic_exchange(here, 0);
		if (!objects)
			return 0;
	}
}

/* The root has no map: its deferred work is the shrinker's own. The registry lock
 * keeps that from being unlinked, so it needs no reference. */
static void hand_up(_Atomic long *from, struct shrink_memcg *parent, int nid, int id)
{
	long left = atomic_exchange(from, 0);
	_Atomic long *to;

	if (!left)
		return;
	to = deferred_at(parent, shrinker_by_id_locked(id), nid, id);
	if (to)
		atomic_fetch_add(to, left);
}

static void hand_up_unit(struct shrink_memcg_unit *unit, struct shrink_memcg *parent, int nid,
			 int base)
{
	uint64_t map = atomic_exchange(&unit->map, 0);

	for (int b = 0; b < SHRINK_MEMCG_UNIT; b++) {
		if (map >> b & 1)
			shrink_memcg_set_bit_id(parent, nid, base + b);
		hand_up(&unit->deferred[b], parent, nid, base + b);
	}
}

void shrink_memcg_map_reparent(struct shrink_memcg *memcg)
{
	for (int nid = 0; nid < shrink_core_nr_nodes(); nid++) {
		struct shrink_memcg_units *units = units_of(memcg, nid);

		for (unsigned int i = 0; units && i < units->nr; i++)
			hand_up_unit(units->unit[i], memcg->parent, nid,
				     (int)i * SHRINK_MEMCG_UNIT);
	}
}
