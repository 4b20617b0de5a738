// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Evictions, refaults and what they tell. */
#include <errno.h>
#include <string.h>

#include <libshrink/lru/workingset.h>
#include <libshrink/os/numa.h>

_Atomic uint64_t shrink_ws_refaults;

static void tick(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

uint64_t shrink_workingset_hash(const void *key, size_t size)
{
	const unsigned char *p = key;
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ size, word;

	/* a multiplication and a fold for each word, and for the rest */
	for (; size; p += size < 8 ? size : 8, size -= size < 8 ? size : 8) {
		word = 0;
		memcpy(&word, p, size < 8 ? size : 8);
		h = (h ^ word) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 29;
}

static struct shrink_ws_part *part_of(struct shrink_workingset *ws, uint64_t hash)
{
	return &ws->parts[hash & (ws->nr_parts - 1)];
}

static uint64_t make_shadow(struct shrink_workingset *ws, int nid, struct shrink_lgroup *g,
			    unsigned int flags)
{
	struct shrink_shadow s = {
		/* E is the reading after this eviction, so that the distance counts others */
		.clock = shrink_lgroup_tick(g, nid, 1),
		.group = g->index,
		.nid = (unsigned int)nid,
		.active = flags & SHRINK_GHOST_ACTIVE,
		.aged = flags & SHRINK_GHOST_AGED,
	};

	tick(&ws->evictions);
	return shrink_shadow_pack(&s);
}

/* The clock of a node, or -EINVAL. */
static int slot(const struct shrink_workingset *ws, int nid)
{
	if (!ws || nid < 0 || nid >= SHRINK_NODES_MAX)
		return -EINVAL;
	return nid < ws->groups->nr_nodes ? nid : 0;
}

uint64_t shrink_ws_evict(struct shrink_workingset *ws, uint64_t hash, int nid,
			 struct shrink_lgroup *g, unsigned int flags)
{
	struct shrink_ws_part *part = part_of(ws, hash);
	uint64_t shadow = make_shadow(ws, nid, g, flags);

	pthread_mutex_lock(&part->lock);
	shrink_ghosts_push(&part->ghosts, hash, shadow);
	pthread_mutex_unlock(&part->lock);
	return shadow;
}

uint64_t shrink_workingset_evict(struct shrink_workingset *ws, uint64_t hash, int nid,
				 struct shrink_memcg *memcg, unsigned int flags)
{
	int n = slot(ws, nid);

	if (n < 0 || flags & ~(SHRINK_GHOST_ACTIVE | SHRINK_GHOST_AGED))
		return 0;
	return shrink_ws_evict(ws, hash, n, shrink_lgroup_find(ws->groups, memcg), flags);
}

uint64_t shrink_workingset_shadow(struct shrink_workingset *ws, int nid,
				  struct shrink_memcg *memcg, unsigned int flags)
{
	int n = slot(ws, nid);

	if (n < 0 || flags & ~(SHRINK_GHOST_ACTIVE | SHRINK_GHOST_AGED))
		return 0;
	return make_shadow(ws, n, shrink_lgroup_find(ws->groups, memcg), flags);
}

int shrink_workingset_prepare(struct shrink_workingset *ws, struct shrink_memcg *memcg)
{
	return ws ? shrink_lgroup_prepare(ws->groups, memcg) : -EINVAL;
}

/* The largest told of late. */
void shrink_ws_note_room(struct shrink_workingset *ws, uint64_t room)
{
	uint64_t old = atomic_load_explicit(&ws->room, memory_order_relaxed), new = room;

	if (old != UINT64_MAX)
		new = shrink_max_u64(room, old - (old + 63) / 64);
	if (new != old)
		atomic_store_explicit(&ws->room, new, memory_order_relaxed);
}

static bool read_shadow(struct shrink_workingset *ws, uint64_t shadow, struct shrink_ws_seen *ret)
{
	if (!shrink_shadow_unpack(shadow, &ret->shadow))
		return false;
	/* a shadow that was not made here may say anything */
	if ((int)ret->shadow.nid >= ws->groups->nr_nodes)
		ret->shadow.nid = 0;
	ret->group = NULL;
	shrink_lgroup_distance(ws->groups, ret->shadow.group, (int)ret->shadow.nid,
			       ret->shadow.clock, &ret->distance, &ret->group);
	return true;
}

bool shrink_ws_take(struct shrink_workingset *ws, uint64_t hash, struct shrink_ws_seen *ret)
{
	struct shrink_ws_part *part = part_of(ws, hash);
	uint64_t shadow;
	uint32_t ready;

	pthread_mutex_lock(&part->lock);
	shadow = shrink_ghosts_take(&part->ghosts, hash);
	ready = part->ghosts.ready;
	/* not from a callback: that is where memory may be short (G6) */
	if (part->ghosts.wants && !shrink_context.depth)
		shrink_ghosts_ready(&part->ghosts);
	ready = part->ghosts.ready - ready;
	pthread_mutex_unlock(&part->lock);
	if (ready)
		atomic_fetch_add_explicit(&ws->ready, ready, memory_order_relaxed);
	return read_shadow(ws, shadow, ret);
}

unsigned int shrink_ws_judge(struct shrink_workingset *ws, const struct shrink_ws_seen *seen,
			     uint64_t room, struct shrink_lgroup *to, int nid)
{
	unsigned int says = SHRINK_REFAULT_FOUND;

	tick(&ws->refaults);
	tick(&shrink_ws_refaults);
	if (seen->shadow.active) {
		says |= SHRINK_REFAULT_RESTORE;
		tick(&ws->restores);
	}
	if (seen->shadow.aged) {
		says |= SHRINK_REFAULT_AGED;
		tick(&ws->aged);
	}
	if (seen->group && seen->distance <= room) {
		says |= SHRINK_REFAULT_ACTIVATE;
		tick(&ws->activations);
		shrink_lgroup_tick(to, nid, 1);
	}
	return says;
}

unsigned int shrink_workingset_refault(struct shrink_workingset *ws, uint64_t hash, uint64_t room)
{
	struct shrink_ws_seen seen;

	if (!ws)
		return 0;
	shrink_ws_note_room(ws, room);
	if (!shrink_ws_take(ws, hash, &seen))
		return 0;
	return shrink_ws_judge(ws, &seen, room, seen.group, (int)seen.shadow.nid);
}

unsigned int shrink_workingset_refault_shadow(struct shrink_workingset *ws, uint64_t shadow,
					      uint64_t room)
{
	struct shrink_ws_seen seen;

	if (!ws)
		return 0;
	shrink_ws_note_room(ws, room);
	if (!read_shadow(ws, shadow, &seen))
		return 0;
	return shrink_ws_judge(ws, &seen, room, seen.group, (int)seen.shadow.nid);
}

int shrink_workingset_forget(struct shrink_workingset *ws, uint64_t hash)
{
	struct shrink_ws_part *part;
	uint64_t shadow;

	if (!ws)
		return 0;
	part = part_of(ws, hash);
	pthread_mutex_lock(&part->lock);
	shadow = shrink_ghosts_take(&part->ghosts, hash);
	pthread_mutex_unlock(&part->lock);
	return shadow != 0;
}

void shrink_workingset_promoted(struct shrink_workingset *ws, int nid, struct shrink_memcg *memcg,
				unsigned long nr)
{
	int n = slot(ws, nid);

	if (n >= 0)
		shrink_lgroup_tick(shrink_lgroup_find(ws->groups, memcg), n, (uint32_t)nr);
}

/* Two threads may lose each other's step of the average, never the sum. */
void shrink_workingset_cost(struct shrink_workingset *ws, uint64_t nsec)
{
	uint64_t avg;

	if (!ws)
		return;
	avg = atomic_load_explicit(&ws->cost_nsec_avg, memory_order_relaxed);
	avg = avg ? avg - avg / 8 + nsec / 8 : nsec;
	atomic_store_explicit(&ws->cost_nsec_avg, avg, memory_order_relaxed);
	atomic_fetch_add_explicit(&ws->cost_nsec, nsec, memory_order_relaxed);
	tick(&ws->costs);
}
