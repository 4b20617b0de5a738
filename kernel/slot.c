// SPDX-License-Identifier: GPL-2.0
/*
 * What is wanted of one node of one cache. Scans only ever add to `asked`; the rest is
 * marks on that line, and the cache's lock is for who moves those:
 *
 *	0 ........ done ........ seen ........ asked
 *	  answered      request        in none
 *	                that is out    yet
 *
 * read() makes a request of what is in none, a result ends it. At most one is out for a
 * slot, so there is no queue to grow; and it is never for more than the cache says it has:
 * what is wanted beyond that is dropped when it is taken. What is counted next is less all
 * that is wanted and not done, so an object is wanted once. A result is believed once,
 * for the request that is out, and for no more than that request asked.
 *
 * Waking. Of those who add, he that finds seen == asked is the first since the last
 * request was taken, and he alone takes the lock and wakes a reader; who takes a request
 * or ends it looks again once he has moved the mark. One of the two sees the other:
 *
 *	post						take
 *	  add to asked					  seen = asked
 *	  (full barrier: it returns a value)		  smp_mb()
 *	  asked was == seen ? mark			  asked != seen ? mark
 */
#include "shrink_bridge.h"

/* Lock held. Keeps the session's number of readable slots; wakes who waits for one. */
static void mark(struct bridge_cache *c, struct bridge_slot *slot)
{
	bool now = !slot->taken && atomic64_read(&slot->asked) != atomic64_read(&slot->seen);

	if (now == slot->readable)
		return;
	slot->readable = now;
	if (now) {
		atomic_inc(&c->session->ready);
		wake_up_interruptible(&c->session->wait);
	} else {
		atomic_dec(&c->session->ready);
	}
}

void bridge_slot_first(struct bridge_cache *c, struct bridge_slot *slot)
{
	spin_lock(&c->lock);
	mark(c, slot);
	spin_unlock(&c->lock);
}

static u64 untaken(const struct bridge_slot *slot)
{
	u64 wanted = atomic64_read(&slot->asked) - atomic64_read(&slot->seen);

	return min(wanted, bridge_slot_claimed(slot));
}

bool bridge_slot_take(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 *ret)
{
	u64 asked, objects;

	if (!slot->readable)
		return false;
	asked = atomic64_read(&slot->asked);
	objects = asked - atomic64_read(&slot->seen);
	objects = min(objects, bridge_slot_claimed(slot));
	atomic64_set(&slot->seen, asked);
	smp_mb(); /* pairs with the addition in bridge_slot_post() */
	slot->taken = objects;
	slot->seq = seq;
	c->posted += objects;
	if (!objects) /* has gone by itself */
		atomic64_set(&slot->done, asked);
	mark(c, slot);
	*ret = objects;
	return objects != 0;
}

void bridge_slot_untake(struct bridge_cache *c, struct bridge_slot *slot, u64 seq)
{
	if (!slot->taken || slot->seq != seq)
		return;
	atomic64_set(&slot->seen, atomic64_read(&slot->seen) - slot->taken);
	smp_mb(); /* as in bridge_slot_take() */
	c->posted -= slot->taken;
	slot->taken = 0;
	mark(c, slot);
}

int bridge_slot_answer(struct bridge_cache *c, struct bridge_slot *slot, u64 seq, u64 freed)
{
	if (!slot->taken || slot->seq != seq)
		return -ESTALE;
	freed = min(freed, slot->taken);
	c->told += freed;
	atomic64_add(freed, &slot->freed);
	slot->taken = 0;
	atomic64_set(&slot->done, atomic64_read(&slot->seen));
	mark(c, slot);
	return 0;
}

void bridge_slot_stats(const struct bridge_cache *c, struct shrink_bridge_cache_stats *stats)
{
	int i;

	stats->scanned = stats->owed = 0;
	stats->posted = c->posted;
	for (i = 0; i < SHRINK_BRIDGE_NODES; i++) {
		stats->scanned += atomic64_read(&c->slot[i].asked);
		stats->posted += untaken(&c->slot[i]);
		stats->owed += atomic64_read(&c->slot[i].freed);
	}
	stats->freed = c->told - stats->owed;
}
