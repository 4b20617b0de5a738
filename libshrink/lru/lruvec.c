// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* An lruvec's life, and its account. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/os/alloc.h>

#define GHOSTS_SUFFIX "-ghosts"

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return shrink_lruvec_count(s->private_data, sc);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	return shrink_lruvec_scan(s->private_data, sc);
}

static int check(const struct shrink_lruvec_options *o)
{
	if (!o->evict || !o->free || o->seeks < 0)
		return -EINVAL;
	if (o->swappiness < 0 || o->swappiness > SHRINK_LRUVEC_SWAPPINESS_MAX)
		return -EINVAL;
	return o->flags & ~(SHRINK_LRUVEC_NUMA | SHRINK_LRUVEC_DIRECT |
			    SHRINK_LRUVEC_NO_WORKINGSET) ? -EINVAL : 0;
}

static void lock_all(struct shrink_lruvec_fork *self)
{
	struct shrink_lruvec *lv = shrink_container_of(self, struct shrink_lruvec, fork);

	for (int i = 0; i < lv->nr_nodes; i++)
		pthread_mutex_lock(&lv->nodes[i].lock);
}

static void unlock_all(struct shrink_lruvec_fork *self)
{
	struct shrink_lruvec *lv = shrink_container_of(self, struct shrink_lruvec, fork);

	for (int i = lv->nr_nodes; i-- > 0;)
		pthread_mutex_unlock(&lv->nodes[i].lock);
}

static int make_nodes(struct shrink_lruvec *lv)
{
	lv->nodes = shrink_os_alloc((size_t)lv->nr_nodes * sizeof(*lv->nodes));
	if (!lv->nodes)
		return -ENOMEM;
	for (int i = 0; i < lv->nr_nodes; i++) {
		pthread_mutex_init(&lv->nodes[i].lock, NULL);
		for (int kind = 0; kind < SHRINK_KINDS; kind++)
			for (int list = 0; list < SHRINK_LISTS; list++)
				shrink_lruvec_list_init(lruvec_list(&lv->nodes[i], kind, list));
	}
	lv->fork.lock = lock_all;
	lv->fork.unlock = unlock_all;
	return shrink_lruvec_enlist(SHRINK_LRUVEC_FORK_LRUVEC, &lv->fork);
}

static int make_workingset(struct shrink_lruvec *lv, const char *name)
{
	struct shrink_workingset_options o = {.ghosts = lv->o.ghosts};

	if (lv->o.flags & SHRINK_LRUVEC_NO_WORKINGSET)
		return 0;
	lv->ws = shrink_workingset_create(&o, sizeof(o), "%s" GHOSTS_SUFFIX, name);
	return lv->ws ? 0 : -errno;
}

static int make_shrinker(struct shrink_lruvec *lv, const char *name)
{
	unsigned int flags = 0;

	if (lv->o.flags & SHRINK_LRUVEC_NUMA)
		flags |= SHRINKER_NUMA_AWARE;
	if (lv->o.flags & SHRINK_LRUVEC_DIRECT)
		flags |= SHRINKER_DIRECT;
	lv->shrinker = shrinker_alloc(flags, "%s", name);
	if (!lv->shrinker)
		return -errno;
	lv->shrinker->count_objects = count;
	lv->shrinker->scan_objects = scan;
	lv->shrinker->private_data = lv;
	lv->shrinker->object_size = lv->o.object_size;
	lv->shrinker->seeks = lv->o.seeks ? lv->o.seeks : SHRINK_DEFAULT_SEEKS;
	return shrinker_register(lv->shrinker);
}

static int set_up(struct shrink_lruvec *lv, const char *name)
{
	int r;

	lv->nr_nodes = lv->o.flags & SHRINK_LRUVEC_NUMA ? shrink_core_nr_nodes() : 1;
	atomic_store(&lv->swappiness, lv->o.swappiness ? (unsigned int)lv->o.swappiness
						       : SHRINK_LRUVEC_SWAPPINESS);
	r = make_nodes(lv);
	if (r == 0)
		r = make_workingset(lv, name);
	return r < 0 ? r : make_shrinker(lv, name);
}

struct shrink_lruvec *shrink_lruvec_create(const struct shrink_lruvec_options *options,
					   size_t size, const char *fmt, ...)
{
	struct shrink_lruvec_options o = {0};
	char name[SHRINK_NAME_MAX - sizeof(GHOSTS_SUFFIX)] = "";
	struct shrink_lruvec *lv = NULL;
	va_list args;
	int r;

	if (options)
		memcpy(&o, options, size < sizeof(o) ? size : sizeof(o));
	if (fmt) {
		va_start(args, fmt);
		vsnprintf(name, sizeof(name), fmt, args);
		va_end(args);
	}
	r = *name ? check(&o) : -EINVAL;
	if (!r) {
		lv = shrink_os_alloc(sizeof(*lv));
		r = lv ? 0 : -ENOMEM;
	}
	if (lv) {
		lv->o = o;
		r = set_up(lv, name);
	}
	if (r < 0) {
		shrink_lruvec_destroy(lv);
		errno = -r;
		return NULL;
	}
	return lv;
}

void shrink_lruvec_destroy(struct shrink_lruvec *lv)
{
	if (!lv)
		return;
	shrinker_free(lv->shrinker);
	shrink_lruvec_delist(&lv->fork);
	shrink_workingset_destroy(lv->ws);
	for (int i = 0; lv->nodes && i < lv->nr_nodes; i++)
		pthread_mutex_destroy(&lv->nodes[i].lock);
	shrink_os_free(lv->nodes);
	shrink_os_free(lv);
}

int shrink_lruvec_set_swappiness(struct shrink_lruvec *lv, int swappiness)
{
	if (!lv || swappiness < 0 || swappiness > SHRINK_LRUVEC_SWAPPINESS_MAX)
		return -EINVAL;
	atomic_store_explicit(&lv->swappiness, (unsigned int)swappiness, memory_order_relaxed);
	return 0;
}

struct shrinker *shrink_lruvec_shrinker(struct shrink_lruvec *lv)
{
	return lv ? lv->shrinker : NULL;
}

struct shrink_workingset *shrink_lruvec_workingset(struct shrink_lruvec *lv)
{
	return lv ? lv->ws : NULL;
}

static void add_node(struct lruvec_node *node, struct shrink_lruvec_stats *stats)
{
	pthread_mutex_lock(&node->lock);
	stats->active_clean += lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_ACTIVE);
	stats->inactive_clean += lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_INACTIVE);
	stats->active_dirty += lruvec_nr(node, SHRINK_KIND_DIRTY, SHRINK_ACTIVE);
	stats->inactive_dirty += lruvec_nr(node, SHRINK_KIND_DIRTY, SHRINK_INACTIVE);
	stats->refaults += node->refaults;
	stats->refaults_activated += node->refaults_activated;
	stats->refaults_refused += node->refaults_refused;
	stats->refaults_trial += node->refaults_trial;
	stats->cost_clean += node->cost[SHRINK_KIND_CLEAN];
	stats->cost_dirty += node->cost[SHRINK_KIND_DIRTY];
	shrink_lruvec_result_add(&stats->total, &node->total);
	pthread_mutex_unlock(&node->lock);
}

int shrink_lruvec_stats(struct shrink_lruvec *lv, int nid, struct shrink_lruvec_stats *ret_stats,
			size_t size)
{
	struct shrink_lruvec_stats stats = {0};

	if (!lv || !ret_stats || !size || nid < SHRINK_NUMA_NO_NODE || nid >= lv->nr_nodes)
		return -EINVAL;
	for (int i = 0; i < lv->nr_nodes; i++)
		if (nid == SHRINK_NUMA_NO_NODE || nid == i)
			add_node(&lv->nodes[i], &stats);
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &stats, size < sizeof(stats) ? size : sizeof(stats));
	return 0;
}
