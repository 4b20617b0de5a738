// SPDX-License-Identifier: GPL-2.0
/*
 * What is wanted of one node of one cache. Reclaim adds to it, read() takes all of it
 * as one request, a result ends that. At most one request is out for a slot, so that
 * there is no queue to grow: work that nobody does just adds up, and no further than
 * to what the cache says it has.
 *
 * An object is wanted once: posted + taken never exceed the count, and what is counted
 * next is less that; so what is outstanding is bounded as the count is. A result is
 * believed once, for the request that is out, and for no more than that request asked.
 */
#include "shrink_bridge.h"

static bool readable(const struct bridge_slot *slot)
{
	return slot->posted && !slot->taken;
}

/* Keeps the session's number of readable slots; wakes who waits for one. */
static void changed(struct bridge_cache *c, const struct bridge_slot *slot, bool before)
{
	bool now = readable(slot);

	if (now == before)
		return;
	if (now) {
		atomic_inc(&c->session->ready);
		wake_up_interruptible(&c->session->wait);
	} else {
		atomic_dec(&c->session->ready);
	}
}

u64 bridge_slot_outstanding(const struct bridge_slot *slot)
{
	return slot->posted + slot->taken;
}

u64 bridge_slot_post(struct bridge_cache *c, struct bridge_slot *slot, u64 count, u64 wanted)
{
	bool before = readable(slot);
	u64 out = bridge_slot_outstanding(slot), freed = slot->freed;
	u64 room = count > out ? count - out : 0;

	wanted = min(wanted, room);
	slot->posted += wanted;
	slot->freed = 0;
	c->stats.posted += wanted;
	c->stats.freed += freed;
	c->stats.owed -= freed;
	changed(c, slot, before);
	return freed;
}

bool bridge_slot_take(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 *ret)
{
	if (!readable(slot))
		return false;
	slot->taken = slot->posted;
	slot->posted = 0;
	slot->seq = seq;
	*ret = slot->taken;
	changed(c, slot, true);
	return true;
}

void bridge_slot_untake(struct bridge_cache *c, struct bridge_slot *slot, u64 seq)
{
	bool before = readable(slot);

	if (!slot->taken || slot->seq != seq)
		return;
	slot->posted += slot->taken;
	slot->taken = 0;
	changed(c, slot, before);
}

int bridge_slot_answer(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 freed)
{
	bool before = readable(slot);

	if (!slot->taken || slot->seq != seq)
		return -ESTALE;
	freed = min(freed, slot->taken);
	slot->freed += freed;
	slot->taken = 0;
	c->stats.owed += freed;
	changed(c, slot, before);
	return 0;
}
