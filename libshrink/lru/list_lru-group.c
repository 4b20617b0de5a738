// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Which list an object is on, and how lists of groups come, die and are used again.
 * The rules that this file keeps are in list_lru.h.
 */
#include <errno.h>

#include <libshrink/lru/list_lru.h>
#include <libshrink/os/alloc.h>

#define TABLE_MIN 64

struct shrink_lru_one *shrink_lru_own(struct shrink_lru *lru, struct shrink_memcg *memcg,
				      int slot)
{
	struct shrink_lru_block *block = lru->root;
	struct shrink_lru_table *table;

	if (!shrink_memcg_is_root(memcg)) {
		table = atomic_load_explicit(&lru->table, memory_order_acquire);
		if (!table || memcg->id >= table->nr)
			return NULL;
		block = atomic_load_explicit(&table->block[memcg->id], memory_order_acquire);
	}
	if (!block)
		return NULL;
	/* Ids are given to new groups once old ones are offline: it may be another's */
	return atomic_load_explicit(&block->one[slot].memcg, memory_order_acquire) == memcg ?
		&block->one[slot] : NULL;
}

static struct shrink_lru_one *climb(struct shrink_lru *lru, struct shrink_memcg *memcg, int slot)
{
	struct shrink_lru_one *one;

	while (!(one = shrink_lru_own(lru, memcg, slot)))
		memcg = memcg->parent; /* ends at the root, whose lists never die */
	return one;
}

struct shrink_lru_one *shrink_lru_lock(struct shrink_lru *lru, struct shrink_memcg *memcg,
				       int slot)
{
	for (;;) {
		struct shrink_lru_one *one = climb(lru, memcg, slot);

		shrink_os_spin_lock(&one->lock);
		if (atomic_load_explicit(&one->memcg, memory_order_relaxed) == memcg)
			return one;
		/* Another group's: an ancestor's, or it died before we had the lock */
		if (climb(lru, memcg, slot) == one)
			return one;
		shrink_os_spin_unlock(&one->lock);
	}
}

struct shrink_lru_block *shrink_lru_block_new(struct shrink_lru *lru)
{
	size_t nodes = (size_t)lru->nr_nodes;
	struct shrink_lru_block *block;

	block = shrink_os_alloc(sizeof(*block) + nodes * sizeof(block->one[0]));
	if (!block)
		return NULL;
	for (size_t n = 0; n < nodes; n++) {
		struct shrink_lru_one *one = &block->one[n];

		one->head.next = one->head.prev = &one->head;
		atomic_store_explicit(&one->nr_items, SHRINK_LRU_DEAD, memory_order_relaxed);
	}
	block->all = lru->blocks;
	lru->blocks = block;
	return block;
}

void shrink_lru_groups_free(struct shrink_lru *lru)
{
	struct shrink_lru_table *table = atomic_load(&lru->table), *older;
	struct shrink_lru_block *next;

	for (; lru->blocks; lru->blocks = next) {
		next = lru->blocks->all;
		shrink_os_free(lru->blocks);
	}
	for (; table; table = older) {
		older = table->older;
		shrink_os_free(table);
	}
	shrink_os_free(lru->borrowers);
}

/* life held. The table that has room for @id, or NULL. */
static struct shrink_lru_table *table_for(struct shrink_lru *lru, int id)
{
	struct shrink_lru_table *old = atomic_load_explicit(&lru->table, memory_order_relaxed);
	struct shrink_lru_table *table;
	int nr = old ? old->nr : TABLE_MIN;

	if (old && id < old->nr)
		return old;
	while (nr <= id)
		nr *= 2;
	table = shrink_os_alloc(sizeof(*table) + (size_t)nr * sizeof(table->block[0]));
	if (!table)
		return NULL;
	table->nr = nr;
	table->older = old;
	for (int i = 0; old && i < old->nr; i++)
		atomic_store_explicit(&table->block[i],
				      atomic_load_explicit(&old->block[i], memory_order_relaxed),
				      memory_order_relaxed);
	atomic_store_explicit(&lru->table, table, memory_order_release);
	return table;
}

static struct shrink_lru_block *block_get(struct shrink_lru *lru)
{
	struct shrink_lru_block *block = lru->spare;

	if (block)
		lru->spare = block->spare;
	else
		block = shrink_lru_block_new(lru);
	return block;
}

static bool online(struct shrink_memcg *memcg)
{
	return atomic_load_explicit(&memcg->online, memory_order_acquire);
}

/*
 * Until now the climb ended at the ancestor's list: with its lock held nobody is
 * between climbing and adding. Nor does one follow who has not settled this group: he
 * saw it offline. If he has added to the ancestor's list already, we see it offline as
 * well, through that list's lock; if he comes after us, he climbs once more.
 */
static bool enliven(struct shrink_lru *lru, struct shrink_lru_one *one, struct shrink_memcg *memcg,
		    int slot)
{
	struct shrink_lru_one *up = climb(lru, memcg->parent, slot);
	bool alive;

	shrink_os_spin_lock(&one->lock);
	shrink_os_spin_lock(&up->lock);
	alive = online(memcg);
	if (alive) {
		shrink_lru_set_nr(one, 0);
		atomic_store_explicit(&one->memcg, memcg, memory_order_release);
	}
	shrink_os_spin_unlock(&up->lock);
	shrink_os_spin_unlock(&one->lock);
	return alive;
}

/* life held, so a group that goes offline meanwhile is not re-parented yet: what has
 * been installed is taken away there. 0; -ENOMEM; -ESTALE: it goes. */
static int install(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	struct shrink_lru_table *table = table_for(lru, memcg->id);
	struct shrink_lru_block *block = table ? block_get(lru) : NULL;

	if (!block)
		return -ENOMEM;
	atomic_store_explicit(&table->block[memcg->id], block, memory_order_release);
	/* Node 0 last: it is what shrink_lru_settle() looks at */
	for (int slot = lru->nr_nodes - 1; slot >= 0; slot--)
		if (!enliven(lru, &block->one[slot], memcg, slot))
			return -ESTALE;
	return 0;
}

static bool borrows(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	return atomic_load_explicit(&lru->borrowers[memcg->id / 64], memory_order_acquire) &
	       1ULL << (memcg->id % 64);
}

/* Has its own list or never will. */
static bool settled(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	return shrink_lru_own(lru, memcg, 0) || borrows(lru, memcg);
}

/* life held. Ancestors first, so that a group with a list has none above without. */
static int install_path(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	struct shrink_memcg *first, *m;
	int r = 0;

	do {
		first = NULL;
		for (m = memcg; !shrink_memcg_is_root(m); m = m->parent)
			if (!settled(lru, m))
				first = m;
		if (first)
			r = install(lru, first);
	} while (first && !r);
	return r;
}

/* life held */
static void borrow_path(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	for (; !shrink_memcg_is_root(memcg); memcg = memcg->parent)
		if (!settled(lru, memcg))
			atomic_fetch_or_explicit(&lru->borrowers[memcg->id / 64],
						 1ULL << (memcg->id % 64), memory_order_release);
}

/* An offline group stands for its nearest ancestor that is online: those above
 * that one are online too. */
static struct shrink_memcg *nearest_online(struct shrink_memcg *memcg)
{
	while (!online(memcg))
		memcg = memcg->parent;
	return memcg;
}

void shrink_lru_settle(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	int r;

	memcg = nearest_online(memcg);
	/* Still online: so the mark is this group's, not of one that has its id now */
	if (shrink_memcg_is_root(memcg) || shrink_lru_own(lru, memcg, 0) ||
	    (borrows(lru, memcg) && online(memcg)))
		return;
	pthread_mutex_lock(&lru->life);
	do {
		memcg = nearest_online(memcg);
		r = install_path(lru, memcg);
	} while (r == -ESTALE);
	if (r < 0)
		borrow_path(lru, memcg);
	pthread_mutex_unlock(&lru->life);
}

int shrink_lru_prepare(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	int r = 0;

	if (!lru)
		return -EINVAL;
	memcg = shrink_lru_group(lru, memcg);
	if (shrink_memcg_is_root(memcg) || shrink_lru_own(lru, memcg, 0))
		return 0;
	pthread_mutex_lock(&lru->life);
	if (!online(memcg))
		r = -ESTALE;
	else if (borrows(lru, memcg))
		r = -EBUSY;
	else
		r = install_path(lru, memcg);
	pthread_mutex_unlock(&lru->life);
	return r;
}

/* To the old end, as the kernel does: nobody is left to use them. */
static void splice(struct shrink_lru_one *from, struct shrink_lru_one *to)
{
	struct shrink_lru_item *first = from->head.next, *last = from->head.prev;

	last->next = to->head.next;
	last->next->prev = last;
	first->prev = &to->head;
	to->head.next = first;
	from->head.next = from->head.prev = &from->head;
}

static void reparent_one(struct shrink_lru *lru, struct shrink_lru_one *one,
			 struct shrink_memcg *memcg, int slot)
{
	struct shrink_lru_one *up = climb(lru, memcg->parent, slot);
	long nr;

	shrink_os_spin_lock(&one->lock);
	shrink_os_spin_lock(&up->lock);
	nr = shrink_lru_nr(one);
	if (nr) {
		splice(one, up);
		shrink_lru_set_nr(up, shrink_lru_nr(up) + nr);
	}
	atomic_store_explicit(&one->memcg, NULL, memory_order_release);
	shrink_lru_set_nr(one, SHRINK_LRU_DEAD);
	if (nr)
		shrink_memcg_set_bit_id(atomic_load_explicit(&up->memcg, memory_order_relaxed),
					slot, lru->id);
	shrink_os_spin_unlock(&up->lock);
	shrink_os_spin_unlock(&one->lock);
}

void shrink_lru_reparent(struct shrink_lru *lru, struct shrink_memcg *memcg)
{
	struct shrink_lru_table *table;
	struct shrink_lru_block *block;

	pthread_mutex_lock(&lru->life);
	atomic_fetch_and_explicit(&lru->borrowers[memcg->id / 64], ~(1ULL << (memcg->id % 64)),
				  memory_order_relaxed);
	table = atomic_load_explicit(&lru->table, memory_order_relaxed);
	block = table && memcg->id < table->nr ?
		atomic_load_explicit(&table->block[memcg->id], memory_order_relaxed) : NULL;
	if (block) { /* the id is ours still, so it is too */
		for (int slot = 0; slot < lru->nr_nodes; slot++)
			if (shrink_lru_own(lru, memcg, slot))
				reparent_one(lru, &block->one[slot], memcg, slot);
		atomic_store_explicit(&table->block[memcg->id], NULL, memory_order_release);
		block->spare = lru->spare;
		lru->spare = block;
	}
	pthread_mutex_unlock(&lru->life);
}
