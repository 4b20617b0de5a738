// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* An lruvec's life, and its account. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>
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
			    SHRINK_LRUVEC_NO_WORKINGSET | SHRINK_LRUVEC_MEMCG) ? -EINVAL : 0;
}

/* All groups', also of those that have ended: they may come again. */
static struct lruvec_node *node_number(struct shrink_lruvec *lv, unsigned int i)
{
	unsigned int nodes = (unsigned int)lv->nr_nodes;

	if (i / nodes >= shrink_lruvec_groups(lv))
		return NULL;
	return lruvec_at(lv, shrink_lgroup_at(&lv->groups, i / nodes), (int)(i % nodes));
}

static void lock_all(struct shrink_lruvec_fork *self)
{
	struct shrink_lruvec *lv = shrink_container_of(self, struct shrink_lruvec, fork);
	struct lruvec_node *node;

	pthread_mutex_lock(&lv->groups.life);
	for (unsigned int i = 0; (node = node_number(lv, i)); i++)
		pthread_mutex_lock(&node->lock);
}

static void unlock_all(struct shrink_lruvec_fork *self)
{
	struct shrink_lruvec *lv = shrink_container_of(self, struct shrink_lruvec, fork);
	struct lruvec_node *node;

	for (unsigned int i = 0; (node = node_number(lv, i)); i++)
		pthread_mutex_unlock(&node->lock);
	pthread_mutex_unlock(&lv->groups.life);
}

static int make_groups(struct shrink_lruvec *lv)
{
	int r;

	lv->groups.nr_nodes = lv->nr_nodes;
	lv->groups.payload = (size_t)lv->nr_nodes * sizeof(struct lruvec_node);
	lv->groups.begin = shrink_lruvec_group_begin;
	lv->groups.end = shrink_lruvec_group_end;
	r = shrink_lgroups_init(&lv->groups);
	if (r < 0)
		return r;
	lv->fork.lock = lock_all;
	lv->fork.unlock = unlock_all;
	return shrink_lruvec_enlist(SHRINK_LRUVEC_FORK_LRUVEC, &lv->fork);
}

static int make_workingset(struct shrink_lruvec *lv, const char *name)
{
	char its_name[SHRINK_NAME_MAX];

	if (lv->o.flags & SHRINK_LRUVEC_NO_WORKINGSET)
		return 0;
	snprintf(its_name, sizeof(its_name), "%s" GHOSTS_SUFFIX, name);
	lv->ws = shrink_ws_create(lv->o.ghosts, its_name, &lv->groups);
	return lv->ws ? 0 : -errno;
}

static int make_shrinker(struct shrink_lruvec *lv, const char *name)
{
	unsigned int flags = 0;

	if (lv->o.flags & SHRINK_LRUVEC_NUMA)
		flags |= SHRINKER_NUMA_AWARE;
	if (lv->o.flags & SHRINK_LRUVEC_DIRECT)
		flags |= SHRINKER_DIRECT;
	if (lv->o.flags & SHRINK_LRUVEC_MEMCG)
		flags |= SHRINKER_MEMCG_AWARE;
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
	r = make_groups(lv);
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
	shrink_lgroups_destroy(&lv->groups);
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

int shrink_lruvec_stats_memcg(struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid,
			      struct shrink_lruvec_stats *ret_stats, size_t size)
{
	struct shrink_lruvec_stats stats = {0};
	struct lruvec_node *node;

	if (!lv || !ret_stats || !size || nid < SHRINK_NUMA_NO_NODE || nid >= lv->nr_nodes)
		return -EINVAL;
	for (int i = 0; i < lv->nr_nodes; i++) {
		if (nid != SHRINK_NUMA_NO_NODE && nid != i)
			continue;
		node = shrink_lruvec_own(lv, memcg, i);
		if (!node)
			return -ESTALE;
		add_node(node, &stats);
	}
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &stats, size < sizeof(stats) ? size : sizeof(stats));
	return 0;
}

int shrink_lruvec_stats(struct shrink_lruvec *lv, int nid, struct shrink_lruvec_stats *ret_stats,
			size_t size)
{
	struct shrink_lruvec_stats stats = {0};
	struct lruvec_node *node;

	if (!lv || !ret_stats || !size || nid < SHRINK_NUMA_NO_NODE || nid >= lv->nr_nodes)
		return -EINVAL;
	for (unsigned int i = 0; (node = node_number(lv, i)); i++)
		if (nid == SHRINK_NUMA_NO_NODE || nid == node->nid)
			add_node(node, &stats);
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &stats, size < sizeof(stats) ? size : sizeof(stats));
	return 0;
}
