// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The lists: linking, and the calls that move one object. */
#include <errno.h>

#include <shrink/fast.h>
#include <libshrink/core/memcg.h>
#include <libshrink/lru/age.h>
#include <libshrink/lru/distance.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/workingset.h>

/* Of the objects that come back from beyond the distance one in so many may compete for
 * a place on the active list. Where all of them cycle through a cache too small for
 * them, none is ever inside the distance and every policy of recency misses always; a
 * few that stay are hit each time round. Where they do not cycle, so few do no harm;
 * and what nobody uses any more cannot stay active for want of a better claim. */
#define TRIAL 32

void shrink_lruvec_list_init(struct lruvec_list *l)
{
	l->head.next = l->head.prev = l->hand = &l->head;
}

static void set_nr(struct lruvec_list *l, uint64_t nr)
{
	atomic_store_explicit(&l->nr, nr, memory_order_relaxed);
}

void shrink_lruvec_put(struct lruvec_node *node, struct shrink_lruvec_item *item, int kind,
		       int list, bool old)
{
	struct lruvec_list *l = lruvec_list(node, kind, list);
	struct shrink_lruvec_item *before = old ? l->head.prev : &l->head;

	item->prev = before;
	item->next = before->next;
	before->next->prev = item;
	before->next = item;
	item->list = (unsigned char)(kind << 1 | list) + 1;
	item->flags &= (unsigned char)~LRUVEC_OFFERED;
	if (list == SHRINK_ACTIVE)
		item->flags |= LRUVEC_WORKINGSET;
	set_nr(l, lruvec_nr(node, kind, list) + 1);
}

void shrink_lruvec_take(struct lruvec_node *node, struct shrink_lruvec_item *item)
{
	int kind = lruvec_kind_of(item), list = lruvec_list_of(item);
	struct lruvec_list *l = lruvec_list(node, kind, list);

	if (l->hand == item)
		l->hand = item->prev;
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = item->prev = NULL;
	item->list = 0;
	set_nr(l, lruvec_nr(node, kind, list) - 1);
}

uint64_t shrink_lruvec_objects(struct lruvec_node *node)
{
	uint64_t nr = 0;

	for (int kind = 0; kind < SHRINK_KINDS; kind++)
		for (int list = 0; list < SHRINK_LISTS; list++)
			nr += lruvec_nr(node, kind, list);
	return nr;
}

void shrink_lruvec_note_cost(struct lruvec_node *node, int kind, uint64_t units)
{
	shrink_balance_note(node->cost, kind, units, shrink_lruvec_objects(node));
}

static uint64_t room(struct shrink_lruvec *lv, struct lruvec_node *node, int kind)
{
	struct shrink_distance_room in = {
		.active_clean = lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_ACTIVE),
		.inactive_clean = lruvec_nr(node, SHRINK_KIND_CLEAN, SHRINK_INACTIVE),
		.active_dirty = lruvec_nr(node, SHRINK_KIND_DIRTY, SHRINK_ACTIVE),
		.inactive_dirty = lruvec_nr(node, SHRINK_KIND_DIRTY, SHRINK_INACTIVE),
		.dirty = kind == SHRINK_KIND_DIRTY,
		.write_out = atomic_load_explicit(&lv->swappiness, memory_order_relaxed) != 0,
	};

	return shrink_distance_room(&in);
}

/* Lock held. The active list has its share: is the newcomer's claim better than that
 * of the oldest there? If that one was used since last looked at it keeps its place,
 * this time and the next, and the newcomer waits on the inactive list; if not, it makes
 * room. The second time is for objects that are used, but less often than newcomers
 * come: members of a loop. */
static bool compete(struct lruvec_node *node, int kind)
{
	struct shrink_lruvec_item *oldest = lruvec_list(node, kind, SHRINK_ACTIVE)->head.prev;
	bool used, stays;

	if (lruvec_nr(node, kind, SHRINK_ACTIVE) < lruvec_nr(node, kind, SHRINK_INACTIVE) ||
	    !lruvec_nr(node, kind, SHRINK_ACTIVE))
		return true;
	used = shrink_fast_test_clear(&oldest->mark);
	stays = used || oldest->flags & LRUVEC_SPARED;
	oldest->flags &= (unsigned char)~LRUVEC_SPARED;
	oldest->flags |= used ? LRUVEC_SPARED : 0;
	shrink_lruvec_take(node, oldest);
	shrink_lruvec_put(node, oldest, kind, stays ? SHRINK_ACTIVE : SHRINK_INACTIVE, false);
	return !stays;
}

/* Lock held. Where an object with this past belongs. */
static int judge(struct lruvec_node *node, unsigned int says, int kind)
{
	node->refaults++;
	if (says & SHRINK_REFAULT_RESTORE)
		shrink_lruvec_note_cost(node, kind, 1);
	if (says & SHRINK_REFAULT_ACTIVATE) {
		if (!compete(node, kind)) {
			node->refaults_refused++;
			return SHRINK_INACTIVE;
		}
		node->refaults_activated++;
		return SHRINK_ACTIVE;
	}
	if (++node->far % TRIAL || !compete(node, kind))
		return SHRINK_INACTIVE;
	node->refaults_trial++;
	return SHRINK_ACTIVE;
}

static int node_index(const struct shrink_lruvec *lv, int nid)
{
	if (nid < 0 || nid >= SHRINK_NODES_MAX)
		return -EINVAL;
	return nid < lv->nr_nodes ? nid : lv->nr_nodes > 1 ? -EINVAL : 0;
}

static struct lruvec_node *node_of(struct shrink_lruvec *lv, const struct shrink_lruvec_item *item)
{
	return lv && item && item->nid < lv->nr_nodes ? &lv->nodes[item->nid] : NULL;
}

int shrink_lruvec_add(struct shrink_lruvec *lv, struct shrink_lruvec_item *item, uint64_t hash,
		      enum shrink_lruvec_kind kind, int nid, struct shrink_memcg *memcg,
		      unsigned int flags)
{
	int n = lv && item ? node_index(lv, nid) : -EINVAL, list = SHRINK_INACTIVE;
	struct lruvec_node *node;
	unsigned int says = 0;

	if (n < 0 || (int)kind < 0 || (int)kind >= SHRINK_KINDS ||
	    flags & ~(SHRINK_LRUVEC_ADD_UNUSED | SHRINK_LRUVEC_ADD_ACTIVE))
		return -EINVAL;
	if (item->list)
		return -EEXIST;
	node = &lv->nodes[n];
	if (lv->ws)
		says = shrink_workingset_refault(lv->ws, hash, room(lv, node, (int)kind));
	pthread_mutex_lock(&node->lock);
	item->hash = hash;
	item->nid = (unsigned char)n;
	item->group = memcg ? (uint16_t)memcg->id : 0;
	item->flags = flags & SHRINK_LRUVEC_ADD_UNUSED ? LRUVEC_UNUSED : 0;
	if (says)
		list = judge(node, says, (int)kind);
	if (flags & SHRINK_LRUVEC_ADD_ACTIVE)
		list = SHRINK_ACTIVE;
	if (says & SHRINK_REFAULT_RESTORE)
		item->flags |= LRUVEC_WORKINGSET;
	/* what is admitted for its past is not judged before its next use could come:
	 * the mark gives it one more tour */
	__atomic_store_n(&item->mark, says && list == SHRINK_ACTIVE, __ATOMIC_RELAXED);
	if (lv->age)
		shrink_age_added(lv->age, item, says & SHRINK_REFAULT_AGED);
	shrink_lruvec_put(node, item, (int)kind, list, false);
	pthread_mutex_unlock(&node->lock);
	return (int)says;
}

int shrink_lruvec_del(struct shrink_lruvec *lv, struct shrink_lruvec_item *item)
{
	struct lruvec_node *node = node_of(lv, item);
	int was = 0;

	if (!node)
		return 0;
	pthread_mutex_lock(&node->lock);
	if (item->list) {
		shrink_lruvec_take(node, item);
		was = 1;
	}
	pthread_mutex_unlock(&node->lock);
	return was;
}

/* Moves an object under the lock: @kind -1 = as it is. */
static int move(struct shrink_lruvec *lv, struct shrink_lruvec_item *item, int kind, int list,
		bool old)
{
	struct lruvec_node *node = node_of(lv, item);
	bool promoted = false;

	if (!node)
		return -EINVAL;
	pthread_mutex_lock(&node->lock);
	if (!item->list) {
		pthread_mutex_unlock(&node->lock);
		return -ENOENT;
	}
	kind = kind < 0 ? lruvec_kind_of(item) : kind;
	promoted = list == SHRINK_ACTIVE && lruvec_list_of(item) == SHRINK_INACTIVE;
	list = list < 0 ? lruvec_list_of(item) : list;
	shrink_lruvec_take(node, item);
	shrink_lruvec_put(node, item, kind, list, old);
	if (promoted && lv->ws)
		shrink_workingset_promoted(lv->ws, item->nid, 1);
	pthread_mutex_unlock(&node->lock);
	return 0;
}

int shrink_lruvec_set_kind(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			   enum shrink_lruvec_kind kind)
{
	return (int)kind < SHRINK_KINDS ? move(lv, item, (int)kind, -1, false) : -EINVAL;
}

int shrink_lruvec_activate(struct shrink_lruvec *lv, struct shrink_lruvec_item *item)
{
	return move(lv, item, -1, SHRINK_ACTIVE, false);
}

int shrink_lruvec_deactivate(struct shrink_lruvec *lv, struct shrink_lruvec_item *item)
{
	return move(lv, item, -1, SHRINK_INACTIVE, true);
}

int shrink_lruvec_written(struct shrink_lruvec *lv, struct shrink_lruvec_item *item,
			  enum shrink_lruvec_kind kind)
{
	struct lruvec_node *node = node_of(lv, item);
	bool next_to_go;
	int list;

	if (!node || (int)kind >= SHRINK_KINDS)
		return -EINVAL;
	pthread_mutex_lock(&node->lock);
	if (!item->list) {
		pthread_mutex_unlock(&node->lock);
		return -ENOENT;
	}
	list = lruvec_list_of(item);
	next_to_go = item->flags & LRUVEC_RECLAIM && list == SHRINK_INACTIVE;
	item->flags &= (unsigned char)~LRUVEC_RECLAIM;
	shrink_lruvec_note_cost(node, lruvec_kind_of(item), 1);
	shrink_lruvec_take(node, item);
	shrink_lruvec_put(node, item, (int)kind, list, next_to_go);
	pthread_mutex_unlock(&node->lock);
	return 0;
}

int shrink_lruvec_cost(struct shrink_lruvec *lv, int nid, enum shrink_lruvec_kind kind,
		       unsigned long units)
{
	int n = lv ? node_index(lv, nid) : -EINVAL;

	if (n < 0 || (int)kind < 0 || (int)kind >= SHRINK_KINDS)
		return -EINVAL;
	pthread_mutex_lock(&lv->nodes[n].lock);
	shrink_lruvec_note_cost(&lv->nodes[n], (int)kind, units);
	pthread_mutex_unlock(&lv->nodes[n].lock);
	return 0;
}
