// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* An object comes: has it been here, and where does it belong? */
#include <errno.h>

#include <libshrink/core/core.h>
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

/* On the lists of the group and those below it. Counts that are being changed just now
 * may be off by that change. */
static uint64_t nr_tree(struct lruvec_node *node, int kind, int list)
{
	int64_t below = atomic_load_explicit(&node->below[kind][list], memory_order_relaxed);

	return lruvec_nr(node, kind, list) + (below > 0 ? (uint64_t)below : 0);
}

static uint64_t room(struct shrink_lruvec *lv, struct lruvec_node *node, int kind)
{
	struct shrink_distance_room in = {
		.active_clean = nr_tree(node, SHRINK_KIND_CLEAN, SHRINK_ACTIVE),
		.inactive_clean = nr_tree(node, SHRINK_KIND_CLEAN, SHRINK_INACTIVE),
		.active_dirty = nr_tree(node, SHRINK_KIND_DIRTY, SHRINK_ACTIVE),
		.inactive_dirty = nr_tree(node, SHRINK_KIND_DIRTY, SHRINK_INACTIVE),
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
	used = shrink_lruvec_was_used(oldest);
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

/* The ghost is judged where the object was evicted; where it is promoted that counts in
 * the group it is in now (contract section 6). */
static unsigned int past(struct shrink_lruvec *lv, uint64_t hash, int kind,
			 struct shrink_memcg *memcg, int nid)
{
	struct shrink_lgroup *to;
	struct shrink_ws_seen seen;
	uint64_t protected = 0;

	if (!lv->ws)
		return 0;
	shrink_ws_note_room(lv->ws, room(lv, lruvec_at(lv, lv->groups.root, nid), kind));
	if (!shrink_ws_take(lv->ws, hash, &seen))
		return 0;
	if (seen.group)
		protected = room(lv, lruvec_at(lv, seen.group, (int)seen.shadow.nid), kind);
	to = shrink_lgroup_find(&lv->groups, shrink_lruvec_whose(lv, memcg));
	return shrink_ws_judge(lv->ws, &seen, protected, to, nid);
}

static int node_index(const struct shrink_lruvec *lv, int nid)
{
	if (!lv || nid < 0 || nid >= SHRINK_NODES_MAX)
		return -EINVAL;
	return nid < lv->nr_nodes ? nid : lv->nr_nodes > 1 ? -EINVAL : 0;
}

/* The step from none to one: the object is countable before the bit is set, and the fence
 * between is in shrink_memcg_set_bit_id(), where the race is drawn. */
static void entered(struct shrink_lruvec *lv, struct lruvec_node *node)
{
	uint64_t nr = shrink_lruvec_objects(node);

	atomic_store_explicit(&node->nr, nr + 1, memory_order_release);
	if (!nr)
		shrink_memcg_set_bit_id(atomic_load_explicit(&node->memcg, memory_order_relaxed),
					node->nid, shrinker_impl(lv->shrinker)->id);
}

/* Lock held. */
static void enter(struct shrink_lruvec *lv, struct lruvec_node *node,
		  struct shrink_lruvec_item *item, int kind, unsigned int says, unsigned int flags)
{
	int list = says ? judge(node, says, kind) : SHRINK_INACTIVE;

	if (flags & SHRINK_LRUVEC_ADD_ACTIVE)
		list = SHRINK_ACTIVE;
	item->flags = flags & SHRINK_LRUVEC_ADD_UNUSED ? LRUVEC_UNUSED : 0;
	if (says & SHRINK_REFAULT_RESTORE)
		item->flags |= LRUVEC_WORKINGSET;
	/* what is admitted for its past is not judged before its next use could come:
	 * the mark gives it one more tour */
	__atomic_store_n(&item->mark, says && list == SHRINK_ACTIVE, __ATOMIC_RELAXED);
	if (lv->age)
		shrink_age_added(lv->age, item, says & SHRINK_REFAULT_AGED);
	shrink_lruvec_put(node, item, kind, list, false);
	entered(lv, node);
}

int shrink_lruvec_add(struct shrink_lruvec *lv, struct shrink_lruvec_item *item, uint64_t hash,
		      enum shrink_lruvec_kind kind, int nid, struct shrink_memcg *memcg,
		      unsigned int flags)
{
	int n = item ? node_index(lv, nid) : -EINVAL;
	struct lruvec_node *node;
	unsigned int says;

	if (n < 0 || (int)kind < 0 || (int)kind >= SHRINK_KINDS ||
	    flags & ~(SHRINK_LRUVEC_ADD_UNUSED | SHRINK_LRUVEC_ADD_ACTIVE))
		return -EINVAL;
	if (item->list)
		return -EEXIST;
	says = past(lv, hash, (int)kind, memcg, n);
	node = shrink_lruvec_lock_for(lv, memcg, n);
	item->hash = hash;
	item->nid = (unsigned char)n;
	__atomic_store_n(&item->group, (uint16_t)node->group->index, __ATOMIC_RELAXED);
	enter(lv, node, item, (int)kind, says, flags);
	shrink_lruvec_unlock(node);
	return (int)says;
}

int shrink_lruvec_prepare(struct shrink_lruvec *lv, struct shrink_memcg *memcg)
{
	return lv ? shrink_lgroup_prepare(&lv->groups, shrink_lruvec_whose(lv, memcg)) : -EINVAL;
}

int shrink_lruvec_cost(struct shrink_lruvec *lv, int nid, enum shrink_lruvec_kind kind,
		       unsigned long units)
{
	int n = node_index(lv, nid);
	struct lruvec_node *node;

	if (n < 0 || (int)kind < 0 || (int)kind >= SHRINK_KINDS)
		return -EINVAL;
	node = shrink_lruvec_lock_for(lv, NULL, n);
	shrink_lruvec_note_cost(node, (int)kind, units);
	shrink_lruvec_unlock(node);
	return 0;
}
