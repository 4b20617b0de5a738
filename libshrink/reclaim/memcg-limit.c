// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Limits, events and statistics of a group; groups bound to the kernel's. */
#include <errno.h>
#include <string.h>

#include <libshrink/core/memcg-protect.h>
#include <libshrink/reclaim/memcg-reclaim.h>

static bool is_limit(enum shrink_memcg_limit which)
{
	return (unsigned int)which <= SHRINK_MEMCG_LIMIT_SOFT;
}

int shrink_memcg_set_limit(struct shrink_memcg *memcg, enum shrink_memcg_limit which,
			   uint64_t bytes)
{
	if (shrink_memcg_is_root(memcg) || !is_limit(which))
		return -EINVAL;
	if (!shrink_memcg_is_online(memcg))
		return -ESTALE;
	atomic_store_explicit(&memcg->account->limit[which], bytes, memory_order_relaxed);
	if (which <= SHRINK_MEMCG_LIMIT_LOW)
		shrink_memcg_tell_protection(memcg);
	if (which == SHRINK_MEMCG_LIMIT_HIGH)
		shrink_memcg_reclaim_to(memcg, bytes);
	if (which == SHRINK_MEMCG_LIMIT_MAX && !shrink_memcg_reclaim_to(memcg, bytes))
		return -EBUSY;
	return 0;
}

uint64_t shrink_memcg_get_limit(struct shrink_memcg *memcg, enum shrink_memcg_limit which)
{
	if (shrink_memcg_is_root(memcg) || !is_limit(which))
		return 0;
	return shrink_memcg_limit_now(memcg, which);
}

static uint32_t count_children(struct shrink_memcg *memcg)
{
	struct shrink_list *pos;
	uint32_t n = 0;

	shrink_registry_lock();
	shrink_list_for_each(pos, &memcg->children)
		n++;
	shrink_registry_unlock();
	return n;
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

int shrink_memcg_stats(struct shrink_memcg *memcg, struct shrink_memcg_stats *ret_stats,
		       size_t size)
{
	struct shrink_memcg_stats st = {0};

	if (!memcg || !ret_stats || !size)
		return -EINVAL;
	st.online = (uint32_t)atomic_load_explicit(&memcg->online, memory_order_relaxed);
	st.children = count_children(memcg);
	if (memcg->account) {
		const struct shrink_memcg_account *a = memcg->account;

		st.usage = shrink_memcg_usage_now(memcg);
		st.emin = get(&a->effective[0]);
		st.elow = get(&a->effective[1]);
		st.events_low = get(&a->events[SHRINK_MEMCG_LOW]);
		st.events_high = get(&a->events[SHRINK_MEMCG_HIGH]);
		st.events_max = get(&a->events[SHRINK_MEMCG_MAXED]);
		st.events_oom = get(&a->events[SHRINK_MEMCG_OOM]);
		st.freed_bytes = get(&a->freed_bytes);
		st.throttled_usec = get(&a->throttled_usec);
	}
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &st, size < sizeof(st) ? size : sizeof(st));
	return 0;
}

int shrink_memcg_event_fd(struct shrink_memcg *memcg)
{
	if (shrink_memcg_is_root(memcg))
		return -EINVAL;
	return shrink_memcg_account_event_fd(memcg->account);
}

/* The old one stays open until the group goes: a reader may be in it. */
int shrink_memcg_bind(struct shrink_memcg *memcg, const char *dir)
{
	struct shrink_cgroup_level *level = NULL;
	int r;

	if (shrink_memcg_is_root(memcg))
		return -EINVAL;
	if (dir) {
		if (!shrink_memcg_is_online(memcg))
			return -ESTALE;
		r = shrink_os_cgroup_open_dir(dir, &level);
		if (r < 0)
			return r;
	}
	return shrink_memcg_account_bind(memcg->account, level);
}
