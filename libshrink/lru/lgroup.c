// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include <libshrink/lru/distance.h>
#include <libshrink/lru/lgroup.h>
#include <libshrink/lru/lruvec-fork.h>
#include <libshrink/os/alloc.h>

/* Ended ones looked at for one that may be used again. */
#define TRIES 16

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list all_caches = SHRINK_LIST_INIT(all_caches);

typedef _Atomic(struct shrink_lgroup_chunk *) chunks_t;

static struct shrink_lgroup *look_up(chunks_t *chunks, unsigned int i)
{
	struct shrink_lgroup_chunk *c =
		atomic_load_explicit(&chunks[i / SHRINK_LGROUP_CHUNK], memory_order_acquire);

	return c ? atomic_load_explicit(&c->at[i % SHRINK_LGROUP_CHUNK], memory_order_acquire)
		 : NULL;
}

/* life held; the chunk is there unless memory is short */
static int enter(chunks_t *chunks, unsigned int i, struct shrink_lgroup *g)
{
	chunks_t *at = &chunks[i / SHRINK_LGROUP_CHUNK];
	struct shrink_lgroup_chunk *c = atomic_load_explicit(at, memory_order_relaxed);

	if (!c) {
		c = shrink_os_alloc(sizeof(*c));
		if (!c)
			return -ENOMEM;
		atomic_store_explicit(at, c, memory_order_release);
	}
	atomic_store_explicit(&c->at[i % SHRINK_LGROUP_CHUNK], g, memory_order_release);
	return 0;
}

static struct shrink_memcg *group_of(struct shrink_memcg *memcg)
{
	return memcg ? memcg : shrink_memcg_root_group;
}

struct shrink_lgroup *shrink_lgroup_own(struct shrink_lgroups *all, struct shrink_memcg *memcg)
{
	struct shrink_lgroup *g;

	memcg = group_of(memcg);
	if (shrink_memcg_is_root(memcg))
		return all->root;
	g = look_up(all->by_id, (unsigned int)memcg->id);
	/* ids are given to new groups once old ones are offline: it may be another's */
	return g && atomic_load_explicit(&g->memcg, memory_order_acquire) == memcg ? g : NULL;
}

struct shrink_lgroup *shrink_lgroup_find(struct shrink_lgroups *all, struct shrink_memcg *memcg)
{
	struct shrink_lgroup *g;

	memcg = group_of(memcg);
	while (!(g = shrink_lgroup_own(all, memcg)))
		memcg = memcg->parent; /* ends at the root */
	return g;
}

struct shrink_lgroup *shrink_lgroup_at(struct shrink_lgroups *all, unsigned int index)
{
	struct shrink_lgroup *g = index < SHRINK_LGROUPS_MAX ? look_up(all->by_index, index) : NULL;

	return g ? g : all->root;
}

/* ---- life, under the lock */
static struct shrink_lgroup *brand_new(struct shrink_lgroups *all)
{
	unsigned int index = atomic_load_explicit(&all->nr, memory_order_relaxed);
	size_t nodes = (size_t)all->nr_nodes;
	struct shrink_lgroup *g;

	if (index == SHRINK_LGROUPS_MAX)
		return NULL;
	g = shrink_os_alloc(sizeof(*g) + nodes * sizeof(g->clock[0]) + all->payload);
	if (!g)
		return NULL;
	g->all = all;
	g->index = index;
	if (enter(all->by_index, index, g) < 0) {
		shrink_os_free(g);
		return NULL;
	}
	atomic_store_explicit(&all->nr, index + 1, memory_order_release);
	return g;
}

static struct shrink_lgroup *first_ended(struct shrink_lgroups *all)
{
	struct shrink_lgroup *g = all->ended;

	all->ended = g->next_ended;
	if (!all->ended)
		all->ended_tail = &all->ended;
	g->next_ended = NULL;
	return g;
}

static void last_ended(struct shrink_lgroups *all, struct shrink_lgroup *g)
{
	*all->ended_tail = g;
	all->ended_tail = &g->next_ended;
}

/* The one that ended longest ago, if nothing leads to it. */
static struct shrink_lgroup *used_again(struct shrink_lgroups *all)
{
	unsigned int nr = atomic_load_explicit(&all->nr, memory_order_relaxed);

	if (all->nr_ended < SHRINK_LGROUPS_ENDED && nr < SHRINK_LGROUPS_MAX)
		return NULL;
	for (int i = 0; i < TRIES && all->ended; i++) {
		struct shrink_lgroup *g = first_ended(all);

		if (!g->through && !atomic_load_explicit(&g->left, memory_order_acquire)) {
			shrink_lgroup_up(g)->through--;
			all->nr_ended--;
			atomic_store_explicit(&g->reused, true, memory_order_relaxed);
			return g;
		}
		last_ended(all, g);
	}
	return NULL;
}

static void come_alive(struct shrink_lgroups *all, struct shrink_lgroup *g,
		       struct shrink_memcg *memcg)
{
	struct shrink_lgroup *up = NULL;

	if (!shrink_memcg_is_root(memcg))
		up = shrink_lgroup_find(all, memcg->parent);
	if (up)
		up->through++;
	atomic_store_explicit(&g->up, up, memory_order_release);
	for (int nid = 0; nid < all->nr_nodes; nid++)
		atomic_store_explicit(&g->clock[nid].born,
				      atomic_load_explicit(&g->clock[nid].now,
							   memory_order_relaxed),
				      memory_order_relaxed);
	if (all->begin)
		all->begin(all, g, memcg);
	atomic_store_explicit(&g->memcg, memcg, memory_order_release);
}

static int make_one(struct shrink_lgroups *all, struct shrink_memcg *memcg)
{
	struct shrink_lgroup *g;

	/* the place to find it first, so that nothing fails when it is alive */
	if (enter(all->by_id, (unsigned int)memcg->id, NULL) < 0)
		return -ENOMEM;
	g = used_again(all);
	if (!g)
		g = brand_new(all);
	if (!g)
		return atomic_load(&all->nr) == SHRINK_LGROUPS_MAX ? -ENOSPC : -ENOMEM;
	come_alive(all, g, memcg);
	return enter(all->by_id, (unsigned int)memcg->id, g);
}

static bool online(struct shrink_memcg *memcg)
{
	return atomic_load_explicit(&memcg->online, memory_order_acquire);
}

/* Ancestors first, so that up is the parent's. */
static int make_path(struct shrink_lgroups *all, struct shrink_memcg *memcg)
{
	struct shrink_memcg *first, *m;
	int r = 0;

	do {
		first = NULL;
		for (m = memcg; !shrink_memcg_is_root(m); m = m->parent)
			if (!shrink_lgroup_own(all, m))
				first = m;
		if (first)
			r = make_one(all, first);
	} while (first && !r);
	return r;
}

int shrink_lgroup_prepare(struct shrink_lgroups *all, struct shrink_memcg *memcg)
{
	int r = -ESTALE;

	if (shrink_lgroup_own(all, memcg))
		return 0;
	pthread_mutex_lock(&all->life);
	/* one that goes offline after this is met by group_offline(), which waits */
	if (online(memcg))
		r = make_path(all, memcg);
	pthread_mutex_unlock(&all->life);
	return r;
}

struct shrink_lgroup *shrink_lgroup_make(struct shrink_lgroups *all, struct shrink_memcg *memcg)
{
	struct shrink_lgroup *g = shrink_lgroup_own(all, memcg);

	if (!g) {
		shrink_lgroup_prepare(all, memcg);
		g = shrink_lgroup_find(all, memcg);
	}
	return g;
}

static void read_clocks(struct shrink_lgroups *all, struct shrink_lgroup *g,
			struct shrink_lgroup *up)
{
	for (int nid = 0; nid < all->nr_nodes; nid++) {
		struct shrink_lclock *c = &g->clock[nid];

		atomic_store_explicit(&c->died,
				      atomic_load_explicit(&c->now, memory_order_relaxed),
				      memory_order_relaxed);
		atomic_store_explicit(&c->up_died,
				      atomic_load_explicit(&up->clock[nid].now,
							   memory_order_relaxed),
				      memory_order_relaxed);
	}
}

/* Who looks for it meanwhile finds it and its lists dead, and goes up. */
static void end_one(struct shrink_lgroups *all, struct shrink_memcg *memcg)
{
	struct shrink_lgroup *g = shrink_lgroup_own(all, memcg), *up;
	uint64_t left = 0;

	if (!g)
		return;
	up = shrink_lgroup_up(g);
	read_clocks(all, g, up);
	if (all->end)
		left = all->end(all, g, up);
	atomic_fetch_add_explicit(&g->left, left, memory_order_relaxed);
	atomic_store_explicit(&g->memcg, NULL, memory_order_release);
	enter(all->by_id, (unsigned int)memcg->id, NULL);
	last_ended(all, g);
	all->nr_ended++;
}

static void group_offline(struct shrink_memcg_hook *hook, struct shrink_memcg *memcg)
{
	struct shrink_list *pos;

	(void)hook;
	pthread_mutex_lock(&all_lock);
	shrink_list_for_each(pos, &all_caches) {
		struct shrink_lgroups *all = shrink_list_entry(pos, struct shrink_lgroups, in_all);

		pthread_mutex_lock(&all->life);
		end_one(all, memcg);
		pthread_mutex_unlock(&all->life);
	}
	pthread_mutex_unlock(&all_lock);
}

/* ---- life of the whole */
static void hook_up(void)
{
	static struct shrink_memcg_hook hook = {.offline = group_offline};

	shrink_memcg_hook_add(&hook);
}

static void lock_all(struct shrink_lruvec_fork *self)
{
	(void)self;
	pthread_mutex_lock(&all_lock);
}

static void unlock_all(struct shrink_lruvec_fork *self)
{
	(void)self;
	pthread_mutex_unlock(&all_lock);
}

static struct shrink_lruvec_fork fork_entry = {.lock = lock_all, .unlock = unlock_all};
static int fork_armed;

static void arm_fork(void)
{
	fork_armed = shrink_lruvec_enlist(SHRINK_LRUVEC_FORK_GROUPS, &fork_entry);
}

int shrink_lgroups_init(struct shrink_lgroups *all)
{
	static pthread_once_t hooked = PTHREAD_ONCE_INIT, armed = PTHREAD_ONCE_INIT;

	pthread_once(&armed, arm_fork);
	if (fork_armed < 0)
		return fork_armed;
	pthread_mutex_init(&all->life, NULL);
	all->ended_tail = &all->ended;
	all->root = brand_new(all);
	if (!all->root)
		return -ENOMEM;
	come_alive(all, all->root, shrink_memcg_root_group);
	pthread_once(&hooked, hook_up);
	pthread_mutex_lock(&all_lock);
	shrink_list_add_tail(&all->in_all, &all_caches);
	pthread_mutex_unlock(&all_lock);
	return 0;
}

static void free_chunks(chunks_t *chunks, bool groups)
{
	for (size_t i = 0; i < SHRINK_LGROUPS_MAX / SHRINK_LGROUP_CHUNK; i++) {
		struct shrink_lgroup_chunk *c = atomic_load(&chunks[i]);

		for (int k = 0; c && groups && k < SHRINK_LGROUP_CHUNK; k++)
			shrink_os_free(atomic_load(&c->at[k]));
		shrink_os_free(c);
	}
}

void shrink_lgroups_destroy(struct shrink_lgroups *all)
{
	if (all->in_all.next) {
		pthread_mutex_lock(&all_lock);
		shrink_list_del(&all->in_all);
		pthread_mutex_unlock(&all_lock);
	}
	free_chunks(all->by_index, true);
	free_chunks(all->by_id, false);
}

/* ---- the clock */
uint32_t shrink_lgroup_tick(struct shrink_lgroup *g, int nid, uint32_t by)
{
	uint32_t now = by + atomic_fetch_add_explicit(&g->clock[nid].now, by,
						      memory_order_relaxed);

	while ((g = shrink_lgroup_up(g)))
		atomic_fetch_add_explicit(&g->clock[nid].now, by, memory_order_relaxed);
	return now;
}

static uint32_t reading(const _Atomic uint32_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

bool shrink_lgroup_distance(struct shrink_lgroups *all, unsigned int index, int nid, uint32_t then,
			    uint32_t *ret_distance, struct shrink_lgroup **ret_group)
{
	struct shrink_lgroup *g = shrink_lgroup_at(all, index);
	struct shrink_lclock *c = &g->clock[nid];
	uint32_t passed = 0;

	/* the index was another's then */
	if (atomic_load_explicit(&g->reused, memory_order_relaxed) &&
	    shrink_distance(reading(&c->now), then) >=
	    shrink_distance(reading(&c->now), reading(&c->born)))
		return false;
	while (!shrink_lgroup_alive(g)) {
		passed += shrink_distance_until(reading(&c->died), then);
		then = reading(&c->up_died);
		g = shrink_lgroup_up(g);
		c = &g->clock[nid];
	}
	*ret_distance = passed + shrink_distance(reading(&c->now), then);
	*ret_group = g;
	return true;
}
