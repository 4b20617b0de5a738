// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <string.h>

#include <libshrink/lru/ghosts.h>

void shrink_ghosts_init(struct shrink_ghosts *g, struct shrink_ghost *ring, uint32_t max,
			uint32_t page_slots, uint32_t *first, uint32_t *next, uint32_t mask)
{
	memset(g, 0, sizeof(*g));
	g->ring = ring;
	g->size = g->max = g->ready = max;
	g->page_slots = page_slots;
	g->first = first;
	g->next = next;
	g->mask = mask;
}

static uint32_t *chain(struct shrink_ghosts *g, uint64_t hash)
{
	/* the low bits have chosen the part: all of it would share a chain */
	return &g->first[(uint32_t)(hash >> 32) & g->mask];
}

static void link_slot(struct shrink_ghosts *g, uint32_t slot)
{
	uint32_t *head = chain(g, g->ring[slot].hash);

	g->next[slot] = *head;
	*head = slot + 1;
	g->live++;
}

static void unlink_slot(struct shrink_ghosts *g, uint32_t slot)
{
	uint32_t *at = chain(g, g->ring[slot].hash);

	while (*at != slot + 1)
		at = &g->next[*at - 1];
	*at = g->next[slot];
	g->ring[slot].shadow = 0;
	g->live--;
}

uint64_t shrink_ghosts_take(struct shrink_ghosts *g, uint64_t hash)
{
	for (uint32_t at = *chain(g, hash); at; at = g->next[at - 1]) {
		uint64_t shadow = g->ring[at - 1].shadow;

		if (g->ring[at - 1].hash != hash)
			continue;
		unlink_slot(g, at - 1);
		return shadow;
	}
	return 0;
}

static uint32_t wrap(const struct shrink_ghosts *g, uint32_t slot)
{
	return slot >= g->size ? slot - g->size : slot;
}

/* The ring can only get longer when the head stands at its end: else what follows in
 * memory would not follow in time. */
static void grow(struct shrink_ghosts *g)
{
	if (g->tail + g->used == g->size && g->size < g->ready)
		g->size = g->ready;
}

static void drop_oldest(struct shrink_ghosts *g)
{
	if (g->ring[g->tail].shadow) {
		unlink_slot(g, g->tail);
		g->overwritten++;
		g->wants = g->size < g->max;
	}
	g->tail = wrap(g, g->tail + 1);
	g->used--;
}

void shrink_ghosts_push(struct shrink_ghosts *g, uint64_t hash, uint64_t shadow)
{
	uint32_t slot;

	shrink_ghosts_take(g, hash);
	/* what came back since leaves dead ones behind: no reason to grow */
	while (g->used && !g->ring[g->tail].shadow) {
		g->tail = wrap(g, g->tail + 1);
		g->used--;
	}
	grow(g);
	if (g->used == g->size)
		drop_oldest(g);
	slot = wrap(g, g->tail + g->used);
	g->ring[slot] = (struct shrink_ghost){hash, shadow};
	g->used++;
	link_slot(g, slot);
}

static void reverse(struct shrink_ghost *from, uint32_t nr)
{
	for (uint32_t i = 0; i < nr / 2; i++) {
		struct shrink_ghost tmp = from[i];

		from[i] = from[nr - 1 - i];
		from[nr - 1 - i] = tmp;
	}
}

/* The oldest into slot 0, in place: three reversals. */
static void straighten(struct shrink_ghosts *g)
{
	reverse(g->ring, g->tail);
	reverse(g->ring + g->tail, g->size - g->tail);
	reverse(g->ring, g->size);
	g->tail = 0;
}

/* Moves the youngest @keep live ones of [0, used) to the front. */
static uint32_t squeeze(struct shrink_ghosts *g, uint32_t keep)
{
	uint32_t skip = g->live > keep ? g->live - keep : 0, n = 0;

	for (uint32_t i = 0; i < g->used; i++) {
		if (!g->ring[i].shadow)
			continue;
		if (skip)
			skip--;
		else
			g->ring[n++] = g->ring[i];
	}
	return n;
}

uint32_t shrink_ghosts_cut(struct shrink_ghosts *g, uint32_t slots, uint64_t *ret_dropped)
{
	uint32_t size = (slots + g->page_slots - 1) / g->page_slots * g->page_slots;
	uint32_t given;

	if (!size)
		size = g->page_slots;
	*ret_dropped = 0;
	if (size >= g->size && size >= g->ready)
		return 0;
	if (size > g->size)
		size = g->size;
	given = g->ready - size;
	straighten(g);
	*ret_dropped = g->live;
	g->used = squeeze(g, size);
	*ret_dropped -= g->used;
	memset(g->first, 0, ((size_t)g->mask + 1) * sizeof(*g->first));
	g->size = g->ready = size;
	g->live = 0;
	g->wants = false;
	for (uint32_t i = 0; i < g->used; i++)
		link_slot(g, i);
	return given;
}

void shrink_ghosts_ready(struct shrink_ghosts *g)
{
	if (!g->wants || g->ready == g->max)
		return;
	memset(g->ring + g->ready, 0, g->page_slots * sizeof(*g->ring));
	g->ready += g->page_slots;
	g->wants = false;
}
