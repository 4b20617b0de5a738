// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Objects on and off their lists, and how many there are.
 *
 * There is no count of a node over all groups: it would be a line that every add of
 * every group writes. Who wants it adds up.
 */
#include <errno.h>

#include <libshrink/lru/list_lru.h>

/*
 * The inserter's half of the protocol of contract 3.5: the object is countable
 * (release) before the bit is set; the fence between is in
 * shrink_memcg_set_bit_id(), where the race is drawn. Under the lock still, so that
 * who adds the second object and returns finds the bit set as well.
 */
static void first_in(struct shrink_lru *lru, struct shrink_lru_one *one, int slot)
{
	struct shrink_memcg *memcg = atomic_load_explicit(&one->memcg, memory_order_relaxed);

	if (!shrink_memcg_is_root(memcg))
		shrink_memcg_set_bit_id(memcg, slot, lru->id);
}

int shrink_lru_add(struct shrink_lru *lru, struct shrink_lru_item *item, int nid,
		   struct shrink_memcg *memcg)
{
	int slot = lru && item ? shrink_lru_slot(lru, nid) : -EINVAL, added = 0;
	struct shrink_lru_one *one;
	long nr;

	if (slot < 0)
		return slot;
	memcg = shrink_lru_group(lru, memcg);
	if (!shrink_memcg_is_root(memcg))
		shrink_lru_settle(lru, memcg);
	one = shrink_lru_lock(lru, memcg, slot);
	if (!item->next) {
		nr = shrink_lru_nr(one);
		shrink_lru_link_tail(one, item);
		shrink_lru_set_nr(one, nr + 1);
		if (!nr)
			first_in(lru, one, slot);
		added = 1;
	}
	shrink_os_spin_unlock(&one->lock);
	return added;
}

int shrink_lru_del(struct shrink_lru *lru, struct shrink_lru_item *item, int nid,
		   struct shrink_memcg *memcg)
{
	int slot = lru && item ? shrink_lru_slot(lru, nid) : -EINVAL, deleted = 0;
	struct shrink_lru_one *one;

	if (slot < 0)
		return slot;
	one = shrink_lru_lock(lru, shrink_lru_group(lru, memcg), slot);
	if (item->next) {
		shrink_lru_unlink(item);
		item->next = item->prev = NULL;
		shrink_lru_set_nr(one, shrink_lru_nr(one) - 1);
		deleted = 1;
	}
	shrink_os_spin_unlock(&one->lock);
	return deleted;
}

static unsigned long at_least_0(long nr)
{
	return nr > 0 ? (unsigned long)nr : 0;
}

unsigned long shrink_lru_count_one(struct shrink_lru *lru, int nid, struct shrink_memcg *memcg)
{
	int slot = lru ? shrink_lru_slot(lru, nid) : -EINVAL;
	struct shrink_lru_one *one;

	if (slot < 0)
		return 0;
	one = shrink_lru_own(lru, shrink_lru_group(lru, memcg), slot);
	return one ? at_least_0(shrink_lru_nr(one)) : 0;
}

unsigned long shrink_lru_count_node(struct shrink_lru *lru, int nid)
{
	int slot = lru ? shrink_lru_slot(lru, nid) : -EINVAL;
	struct shrink_lru_table *table;
	unsigned long sum;

	if (slot < 0)
		return 0;
	sum = at_least_0(shrink_lru_nr(&lru->root->one[slot]));
	table = atomic_load_explicit(&lru->table, memory_order_acquire);
	for (int id = 1; table && id < table->nr; id++) {
		struct shrink_lru_block *block =
			atomic_load_explicit(&table->block[id], memory_order_acquire);

		sum += block ? at_least_0(shrink_lru_nr(&block->one[slot])) : 0;
	}
	return sum;
}

unsigned long shrink_lru_count(struct shrink_lru *lru, struct shrink_control *sc)
{
	unsigned long nr = shrink_lru_count_one(lru, sc->nid, sc->memcg);

	return nr ? nr : SHRINK_EMPTY;
}

/* A list that has run dry since it was counted is no reason to go on asking. */
unsigned long shrink_lru_scan(struct shrink_lru *lru, struct shrink_control *sc,
			      shrink_lru_walk_fn fn, void *arg)
{
	unsigned long left = sc->nr_to_scan, removed;

	removed = shrink_lru_walk_one(lru, sc->nid, sc->memcg, fn, arg, &left);
	sc->nr_scanned = sc->nr_to_scan - left;
	return sc->nr_scanned ? removed : SHRINK_STOP;
}
