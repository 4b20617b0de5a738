// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Charging: from the thread's stock, or up the tree, and what happens where there
 * is no room (contract 4.5).
 */
#include <errno.h>

#include <libshrink/core/memcg-stock.h>
#include <libshrink/reclaim/memcg-reclaim.h>
#include <libshrink/reclaim/memcg-throttle.h>

#define MAX_LOOKS 1024

static void call_oom(struct shrink_memcg *memcg, uint64_t bytes)
{
	struct shrink_memcg_account *a = memcg->account;
	void (*oom)(void *, struct shrink_memcg *, uint64_t);
	void *arg;

	shrink_memcg_count_event(memcg, SHRINK_MEMCG_OOM);
	shrink_registry_lock();
	oom = a->oom;
	arg = a->oom_arg;
	shrink_registry_unlock();
	if (oom)
		oom(arg, memcg, bytes);
}

/* A batch in advance where there is room, else just what is needed: near a max
 * stocks must not be what breaks it. Returns what was charged, 0 = nothing. */
static uint64_t charge_some(struct shrink_memcg *memcg, uint64_t bytes, struct shrink_memcg **over)
{
	uint64_t batch = shrink_max_u64(bytes, SHRINK_MEMCG_BATCH);

	if (!shrink_memcg_try_charge(memcg, batch, over))
		return batch;
	if (bytes < batch && !shrink_memcg_try_charge(memcg, bytes, over))
		return bytes;
	return 0;
}

/*
 * Reclaims in the group that is full. What scans uncharge meanwhile goes to stocks,
 * ours and others', and is taken back before each look: idle stocks must not be
 * what fails a charge. Inside a callback nothing can be reclaimed, so one look is
 * all there is. MAX_LOOKS: others may take for ever what we free.
 */
static uint64_t make_room(struct shrink_memcg *memcg, uint64_t bytes, shrink_gfp_t gfp)
{
	struct shrink_memcg *over = memcg;
	uint64_t charged = charge_some(memcg, bytes, &over);
	int tries = shrink_context.depth ? 0 : SHRINK_MEMCG_TRIES;

	if (charged)
		return charged;
	shrink_memcg_count_event(over, SHRINK_MEMCG_MAXED);
	shrink_memcg_stock_drain();
	charged = charge_some(memcg, bytes, &over);
	for (int looks = 0; !charged && tries && looks < MAX_LOOKS; looks++) {
		if (!shrink_memcg_try_reclaim(over, bytes, gfp))
			tries--;
		shrink_memcg_stock_drain();
		charged = charge_some(memcg, bytes, &over);
	}
	if (!charged)
		call_oom(over, bytes);
	return charged;
}

/* One try at each level that is over; what it does not get is paid for in time. */
static void check_high(struct shrink_memcg *memcg, uint64_t charged, shrink_gfp_t gfp)
{
	bool over = false;

	for (struct shrink_memcg *m = memcg; m->parent; m = m->parent) {
		uint64_t high = shrink_memcg_limit_now(m, SHRINK_MEMCG_LIMIT_HIGH);

		if (high == SHRINK_MEMCG_MAX || shrink_memcg_usage_now(m) <= high)
			continue;
		over = true;
		shrink_memcg_count_event(m, SHRINK_MEMCG_HIGH);
		shrink_memcg_try_reclaim(m, charged, gfp);
	}
	if (over)
		shrink_throttle_owe(memcg, charged);
}

int shrink_memcg_charge(struct shrink_memcg *memcg, uint64_t bytes, shrink_gfp_t gfp)
{
	uint64_t charged;

	if (!memcg || bytes > INT64_MAX || gfp & ~SHRINK_GFP_ALL)
		return -EINVAL;
	if (!memcg->parent || shrink_memcg_stock_take(memcg, bytes))
		return 0;
	if (!shrink_memcg_is_online(memcg))
		return -ESTALE;
	charged = make_room(memcg, bytes, gfp);
	if (!charged)
		return -ENOMEM;
	shrink_memcg_stock_put(memcg, charged - bytes);
	check_high(memcg, charged, gfp);
	return 0;
}

/* What reclaim frees is seen at once: in a stock it would be charged again before
 * anybody had noticed that usage fell. */
void shrink_memcg_uncharge(struct shrink_memcg *memcg, uint64_t bytes)
{
	if (shrink_memcg_is_root(memcg))
		return;
	if (shrink_context.depth)
		shrink_memcg_do_uncharge(memcg, bytes);
	else if (!shrink_memcg_stock_add(memcg, bytes))
		shrink_memcg_stock_put(memcg, bytes);
}

void shrink_memcg_drain(void)
{
	shrink_memcg_stock_drain();
}

uint64_t shrink_memcg_usage(struct shrink_memcg *memcg)
{
	return shrink_memcg_usage_now(memcg);
}

int shrink_memcg_set_oom(struct shrink_memcg *memcg,
			 void (*oom)(void *arg, struct shrink_memcg *memcg, uint64_t bytes),
			 void *arg)
{
	if (shrink_memcg_is_root(memcg))
		return -EINVAL;
	if (oom && !shrink_memcg_is_online(memcg))
		return -ESTALE;
	shrink_registry_lock();
	memcg->account->oom = oom;
	memcg->account->oom_arg = arg;
	shrink_registry_unlock();
	return 0;
}
