// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Charging: from the thread's stock, or up the tree, and what happens where there
 * is no room (contract 4.5).
 */
#include <errno.h>

#include <libshrink/core/memcg-stock.h>
#include <libshrink/reclaim/memcg-reclaim.h>
#include <libshrink/reclaim/memcg-throttle.h>

static void call_oom(struct shrink_memcg *memcg, uint64_t bytes)
{
	struct shrink_memcg_account *a = memcg->account;
	void (*oom)(void *, struct shrink_memcg *, uint64_t);
	void *arg;

	shrink_memcg_count_event(memcg, SHRINK_MEMCG_OOM);
	pthread_mutex_lock(&a->oom_lock);
	oom = a->oom;
	arg = a->oom_arg;
	pthread_mutex_unlock(&a->oom_lock);
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

/* Reclaims in the group that is full, and takes back what threads hold idle. */
static uint64_t make_room(struct shrink_memcg *memcg, uint64_t bytes, shrink_gfp_t gfp)
{
	struct shrink_memcg *over = memcg;
	uint64_t charged = charge_some(memcg, bytes, &over);

	for (int tries = SHRINK_MEMCG_TRIES; !charged && tries; ) {
		if (tries == SHRINK_MEMCG_TRIES)
			shrink_memcg_count_event(over, SHRINK_MEMCG_MAXED);
		if (!shrink_memcg_try_reclaim(over, bytes, gfp) || tries == SHRINK_MEMCG_TRIES)
			tries--;
		if (tries == SHRINK_MEMCG_TRIES - 1)
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
	if (!atomic_load_explicit(&memcg->online, memory_order_relaxed))
		return -ESTALE;
	charged = make_room(memcg, bytes, gfp);
	if (!charged)
		return -ENOMEM;
	shrink_memcg_stock_put(memcg, charged - bytes);
	check_high(memcg, charged, gfp);
	return 0;
}

/* Into the thread's stock, which keeps at most two batches; an offline group's goes
 * straight back, so that no stock holds it. */
void shrink_memcg_uncharge(struct shrink_memcg *memcg, uint64_t bytes)
{
	if (shrink_memcg_is_root(memcg) || !bytes)
		return;
	if (atomic_load_explicit(&memcg->online, memory_order_relaxed))
		shrink_memcg_stock_put(memcg, bytes);
	else
		shrink_memcg_do_uncharge(memcg, bytes);
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
			 void (*oom)(void *arg, struct shrink_memcg *memcg, uint64_t bytes), void *arg)
{
	if (shrink_memcg_is_root(memcg))
		return -EINVAL;
	pthread_mutex_lock(&memcg->account->oom_lock);
	memcg->account->oom = oom;
	memcg->account->oom_arg = arg;
	pthread_mutex_unlock(&memcg->account->oom_lock);
	return 0;
}
