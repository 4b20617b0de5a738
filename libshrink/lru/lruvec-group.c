// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Whose lists: from a group, or from an object's label, to the lists and their lock;
 * and what happens to lists when groups come and end.
 *
 *	add, del, move			the group ends
 *	label or group -> node		its node's lock, then the parent's
 *	lock				objects to the old end of the parent's lists
 *	node.memcg set, and still	node.memcg = NULL
 *	the one? else unlock, again	unlock
 *
 * A label is only read without the lock to find which lock: so it is read once more
 * under it. The lgroup it names is not used for another group while an object
 * carries it (lgroup.left); an object in a walk's hand has been relabelled before.
 */
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>

static struct shrink_lruvec *lruvec_of(struct shrink_lgroups *all)
{
	return shrink_container_of(all, struct shrink_lruvec, groups);
}

static bool alive(struct lruvec_node *node)
{
	return atomic_load_explicit(&node->memcg, memory_order_acquire) != NULL;
}

/* The first that is alive: the root's always is. */
static struct lruvec_node *climb(struct shrink_lruvec *lv, struct shrink_lgroup *g, int nid)
{
	struct lruvec_node *node = lruvec_at(lv, g, nid);

	while (!alive(node)) {
		g = shrink_lgroup_up(g);
		node = lruvec_at(lv, g, nid);
	}
	return node;
}

struct shrink_memcg *shrink_lruvec_whose(const struct shrink_lruvec *lv, struct shrink_memcg *memcg)
{
	return lv->o.flags & SHRINK_LRUVEC_MEMCG && memcg ? memcg : shrink_memcg_root_group;
}

struct lruvec_node *shrink_lruvec_own(struct shrink_lruvec *lv, struct shrink_memcg *memcg, int nid)
{
	struct shrink_lgroup *g = shrink_lgroup_own(&lv->groups, shrink_lruvec_whose(lv, memcg));

	return g ? lruvec_at(lv, g, nid) : NULL;
}

struct lruvec_node *shrink_lruvec_lock_for(struct shrink_lruvec *lv, struct shrink_memcg *memcg,
					   int nid)
{
	struct shrink_lgroup *g = shrink_lgroup_make(&lv->groups, shrink_lruvec_whose(lv, memcg));

	for (;;) {
		struct lruvec_node *node = climb(lv, g, nid);

		pthread_mutex_lock(&node->lock);
		if (alive(node))
			return node;
		pthread_mutex_unlock(&node->lock);
	}
}

struct lruvec_node *shrink_lruvec_lock_item(struct shrink_lruvec *lv,
					    struct shrink_lruvec_item *item)
{
	for (;;) {
		unsigned int label = __atomic_load_n(&item->group, __ATOMIC_RELAXED);
		struct shrink_lgroup *g = shrink_lgroup_at(&lv->groups, label);
		struct lruvec_node *node = climb(lv, g, item->nid);

		pthread_mutex_lock(&node->lock);
		if (label == __atomic_load_n(&item->group, __ATOMIC_RELAXED) &&
		    climb(lv, g, item->nid) == node)
			return node;
		pthread_mutex_unlock(&node->lock);
	}
}

bool shrink_lruvec_walk_lock(struct lruvec_walk *w)
{
	pthread_mutex_lock(&w->node->lock);
	if (atomic_load_explicit(&w->node->memcg, memory_order_relaxed) == w->memcg)
		return true;
	pthread_mutex_unlock(&w->node->lock);
	return false;
}

/* Once for each hold of the lock, not for each object: the counts above are lines that
 * all groups below write. While it is held the group is alive, and so those above. */
static void tell(struct shrink_lruvec *lv, struct lruvec_node *node, int kind, int list)
{
	int64_t by = node->untold[kind][list];
	struct shrink_lgroup *g = node->group;

	node->untold[kind][list] = 0;
	while (by && (g = shrink_lgroup_up(g)))
		atomic_fetch_add_explicit(&lruvec_at(lv, g, node->nid)->below[kind][list], by,
					  memory_order_relaxed);
}

void shrink_lruvec_unlock(struct lruvec_node *node)
{
	if (shrink_lgroup_up(node->group)) {
		struct shrink_lruvec *lv = lruvec_of(node->group->all);

		for (int kind = 0; kind < SHRINK_KINDS; kind++)
			for (int list = 0; list < SHRINK_LISTS; list++)
				tell(lv, node, kind, list);
	}
	pthread_mutex_unlock(&node->lock);
}

static bool below(struct shrink_lgroup *g, const struct shrink_lgroup *top)
{
	while (g && g != top)
		g = shrink_lgroup_up(g);
	return g;
}

struct lruvec_node *shrink_lruvec_next(struct shrink_lruvec *lv, unsigned int *at, int nid,
				       struct shrink_lgroup *top)
{
	unsigned int nr = atomic_load_explicit(&lv->groups.nr, memory_order_acquire);

	for (; *at < nr; ++*at) {
		struct shrink_lgroup *g = shrink_lgroup_at(&lv->groups, *at);
		struct lruvec_node *node = lruvec_at(lv, g, nid);

		if (shrink_lruvec_objects(node) && (!top || below(g, top)))
			return node;
	}
	return NULL;
}

uint64_t shrink_lruvec_node_objects(struct shrink_lruvec *lv, int nid)
{
	struct lruvec_node *node;
	uint64_t all = 0;

	for (unsigned int at = 0; (node = shrink_lruvec_next(lv, &at, nid, NULL)); at++)
		all += shrink_lruvec_objects(node);
	return all;
}

uint64_t shrink_lruvec_all_objects(struct shrink_lruvec *lv)
{
	uint64_t all = 0;

	for (int nid = 0; nid < lv->nr_nodes; nid++)
		all += shrink_lruvec_node_objects(lv, nid);
	return all;
}

/* ---- life. The lists are empty: they are new, or their group has ended. */
void shrink_lruvec_group_begin(struct shrink_lgroups *all, struct shrink_lgroup *g,
			       struct shrink_memcg *memcg)
{
	struct shrink_lruvec *lv = lruvec_of(all);

	for (int nid = 0; nid < lv->nr_nodes; nid++) {
		struct lruvec_node *node = lruvec_at(lv, g, nid);

		if (!node->group)
			pthread_mutex_init(&node->lock, NULL);
		node->group = g;
		node->nid = nid;
		pthread_mutex_lock(&node->lock);
		for (int i = 0; i < SHRINK_KINDS * SHRINK_LISTS; i++)
			shrink_lruvec_list_init(lruvec_list(node, i >> 1, i & 1));
		atomic_store_explicit(&node->memcg, memcg, memory_order_release);
		pthread_mutex_unlock(&node->lock);
	}
}

/* To the old end, as the kernel does: nobody is left to use them. */
static uint64_t splice(struct lruvec_node *from, struct lruvec_node *to, int kind, int list)
{
	struct lruvec_list *a = lruvec_list(from, kind, list), *b = lruvec_list(to, kind, list);
	uint64_t nr = lruvec_nr(from, kind, list);

	if (!nr)
		return 0;
	a->head.next->prev = b->head.prev;
	b->head.prev->next = a->head.next;
	a->head.prev->next = &b->head;
	b->head.prev = a->head.prev;
	shrink_lruvec_list_init(a);
	atomic_store_explicit(&a->nr, 0, memory_order_relaxed);
	atomic_store_explicit(&b->nr, lruvec_nr(to, kind, list) + nr, memory_order_relaxed);
	/* those above count them already */
	atomic_fetch_sub_explicit(&to->below[kind][list], (int64_t)nr, memory_order_relaxed);
	return nr;
}

static void add_account(struct lruvec_node *from, struct lruvec_node *to)
{
	to->refaults += from->refaults;
	to->refaults_activated += from->refaults_activated;
	to->refaults_refused += from->refaults_refused;
	to->refaults_trial += from->refaults_trial;
	shrink_lruvec_result_add(&to->total, &from->total);
	for (int kind = 0; kind < SHRINK_KINDS; kind++) {
		shrink_lruvec_note_cost(to, kind, from->cost[kind]);
		from->cost[kind] = from->carry[kind] = 0;
	}
	memset(from->pulse, 0, sizeof(from->pulse));
	memset(&from->total, 0, sizeof(from->total));
	from->refaults = from->refaults_activated = from->refaults_refused = 0;
	from->refaults_trial = from->far = 0;
}

/* Both locks held. Objects that carry the label of the group that ends. */
static uint64_t hand_up(struct shrink_lruvec *lv, struct lruvec_node *from, struct lruvec_node *to)
{
	uint64_t nr = 0, labelled;

	for (int i = 0; i < SHRINK_KINDS * SHRINK_LISTS; i++)
		nr += splice(from, to, i >> 1, i & 1);
	labelled = nr - from->strangers;
	to->strangers += nr;
	from->strangers = 0;
	atomic_store_explicit(&from->nr, 0, memory_order_release);
	atomic_store_explicit(&to->nr, shrink_lruvec_objects(to) + nr, memory_order_release);
	add_account(from, to);
	atomic_store_explicit(&from->memcg, NULL, memory_order_release);
	if (nr && lv->shrinker)
		shrink_memcg_set_bit_id(atomic_load_explicit(&to->memcg, memory_order_relaxed),
					to->nid, shrinker_impl(lv->shrinker)->id);
	return labelled;
}

uint64_t shrink_lruvec_group_end(struct shrink_lgroups *all, struct shrink_lgroup *g,
				 struct shrink_lgroup *up)
{
	struct shrink_lruvec *lv = lruvec_of(all);
	uint64_t nr = 0;

	for (int nid = 0; nid < lv->nr_nodes; nid++) {
		struct lruvec_node *from = lruvec_at(lv, g, nid), *to = lruvec_at(lv, up, nid);

		/* an index that one group had another may have later, above or below: only
		 * addresses give the two an order that lasts */
		pthread_mutex_lock(from < to ? &from->lock : &to->lock);
		pthread_mutex_lock(from < to ? &to->lock : &from->lock);
		nr += hand_up(lv, from, to);
		pthread_mutex_unlock(&to->lock);
		pthread_mutex_unlock(&from->lock);
	}
	return nr;
}
