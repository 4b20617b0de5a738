// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The life of an lru. */
#include <errno.h>

#include <libshrink/base/log.h>
#include <libshrink/lru/list_lru.h>
#include <libshrink/os/alloc.h>

static bool registered(struct shrinker_impl *s)
{
	bool r;

	shrink_registry_lock();
	r = s->state != SHRINKER_A;
	shrink_registry_unlock();
	return r;
}

static struct shrink_lru *new_lru(struct shrinker *s)
{
	struct shrink_lru *lru = shrink_os_alloc(sizeof(*lru));

	if (!lru)
		return NULL;
	lru->id = s ? shrinker_impl(s)->id : -1;
	lru->per_node = !s || s->flags & SHRINKER_NUMA_AWARE;
	lru->per_group = s && s->flags & SHRINKER_MEMCG_AWARE;
	lru->nr_nodes = lru->per_node ? shrink_core_nr_nodes() : 1;
	pthread_mutex_init(&lru->life, NULL);
	shrink_list_init(&lru->in_lrus);
	return lru;
}

static int set_up(struct shrink_lru *lru)
{
	lru->root = shrink_lru_block_new(lru);
	if (!lru->root)
		return -ENOMEM;
	for (int slot = 0; slot < lru->nr_nodes; slot++) {
		shrink_lru_set_nr(&lru->root->one[slot], 0);
		atomic_store(&lru->root->one[slot].memcg, shrink_memcg_root_group);
	}
	if (lru->per_group) {
		lru->borrowers = shrink_os_alloc(SHRINK_MEMCGS_MAX / 8);
		if (!lru->borrowers)
			return -ENOMEM;
	}
	return shrink_lru_enlist(lru);
}

static void free_lru(struct shrink_lru *lru)
{
	shrink_lru_groups_free(lru);
	pthread_mutex_destroy(&lru->life);
	shrink_os_free(lru);
}

struct shrink_lru *shrink_lru_create(struct shrinker *s)
{
	struct shrink_lru *lru;

	if (s && registered(shrinker_impl(s))) {
		errno = EBUSY;
		return NULL;
	}
	lru = new_lru(s);
	if (lru && set_up(lru) < 0) {
		free_lru(lru);
		errno = ENOMEM;
		return NULL;
	}
	return lru;
}

void shrink_lru_destroy(struct shrink_lru *lru)
{
	unsigned long left = 0;

	if (!lru)
		return;
	shrink_lru_delist(lru);
	for (int slot = 0; slot < lru->nr_nodes; slot++)
		left += shrink_lru_count_node(lru, slot);
	free_lru(lru);
	if (left)
		shrink_err("shrink_lru_destroy: %lu objects were still on the lists", left);
}
