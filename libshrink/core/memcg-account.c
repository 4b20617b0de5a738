// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>

#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-stock.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/fd.h>

int shrink_memcg_account_alloc(struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = shrink_os_alloc(sizeof(*a));

	if (!a)
		return -ENOMEM;
	atomic_store(&a->limit[SHRINK_MEMCG_LIMIT_HIGH], SHRINK_MEMCG_MAX);
	atomic_store(&a->limit[SHRINK_MEMCG_LIMIT_MAX], SHRINK_MEMCG_MAX);
	atomic_store(&a->limit[SHRINK_MEMCG_LIMIT_SOFT], SHRINK_MEMCG_MAX);
	atomic_store(&a->event_fd, -1);
	pthread_mutex_init(&a->oom_lock, NULL);
	memcg->account = a;
	return 0;
}

void shrink_memcg_account_free(struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = memcg->account;

	if (!a)
		return;
	shrink_os_close(atomic_load(&a->event_fd));
	shrink_os_cgroup_close_dir(atomic_load(&a->bound));
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(a->unbound); i++)
		shrink_os_cgroup_close_dir(a->unbound[i]);
	pthread_mutex_destroy(&a->oom_lock);
	shrink_os_free(a);
}

int shrink_memcg_account_bind(struct shrink_memcg_account *a, struct shrink_cgroup_level *level)
{
	struct shrink_cgroup_level *old;
	size_t i = 0;

	shrink_registry_lock();
	old = atomic_load(&a->bound);
	while (old && i < SHRINK_ARRAY_SIZE(a->unbound) && a->unbound[i])
		i++;
	if (i < SHRINK_ARRAY_SIZE(a->unbound)) {
		if (old)
			a->unbound[i] = old;
		atomic_store_explicit(&a->bound, level, memory_order_release);
	}
	shrink_registry_unlock();
	if (i < SHRINK_ARRAY_SIZE(a->unbound))
		return 0;
	shrink_os_cgroup_close_dir(level);
	return -ENOSPC;
}

void shrink_memcg_account_offline(struct shrink_memcg *memcg)
{
	shrink_memcg_stock_drain();
	atomic_store(&memcg->account->limit[SHRINK_MEMCG_LIMIT_MIN], 0);
	atomic_store(&memcg->account->limit[SHRINK_MEMCG_LIMIT_LOW], 0);
	shrink_memcg_tell_protection(memcg);
}

uint64_t shrink_memcg_usage_now(struct shrink_memcg *memcg)
{
	struct shrink_cgroup_level *bound;
	uint64_t usage;

	if (shrink_memcg_is_root(memcg))
		return 0;
	bound = atomic_load_explicit(&memcg->account->bound, memory_order_acquire);
	if (bound && !shrink_os_pread_u64(bound->usage_fd, &usage))
		return usage;
	return atomic_load_explicit(&memcg->account->usage, memory_order_relaxed);
}

uint64_t shrink_memcg_limit_now(struct shrink_memcg *memcg, enum shrink_memcg_limit which)
{
	struct shrink_cgroup_level *bound =
		atomic_load_explicit(&memcg->account->bound, memory_order_acquire);
	uint64_t own = atomic_load_explicit(&memcg->account->limit[which], memory_order_relaxed);
	uint64_t kernel;

	if (!bound || which < SHRINK_MEMCG_LIMIT_HIGH || which == SHRINK_MEMCG_LIMIT_SOFT)
		return own;
	if (which == SHRINK_MEMCG_LIMIT_HIGH)
		return bound->high_fd >= 0 && !shrink_os_pread_u64(bound->high_fd, &kernel) ?
			shrink_min_u64(own, kernel) : own;
	return shrink_min_u64(own, shrink_os_cgroup_level_limit(bound));
}

/* A bound group's usage is the kernel's, which counts the bytes only once they are
 * touched: what we know ourselves is the lower bound. */
static bool over_max(struct shrink_memcg *memcg, uint64_t usage, uint64_t bytes)
{
	uint64_t max = shrink_memcg_limit_now(memcg, SHRINK_MEMCG_LIMIT_MAX);

	if (max == SHRINK_MEMCG_MAX)
		return false;
	if (atomic_load_explicit(&memcg->account->bound, memory_order_relaxed))
		usage = shrink_max_u64(usage,
				       shrink_add_u64(shrink_memcg_usage_now(memcg), bytes));
	return usage > max;
}

static void add(struct shrink_memcg *memcg, int64_t bytes)
{
	atomic_fetch_add_explicit(&memcg->account->usage, (uint64_t)bytes, memory_order_relaxed);
	shrink_memcg_tell_protection(memcg);
}

int shrink_memcg_try_charge(struct shrink_memcg *memcg, uint64_t bytes,
			    struct shrink_memcg **ret_over)
{
	struct shrink_memcg *m, *undo;

	for (m = memcg; m->parent; m = m->parent) {
		add(m, (int64_t)bytes);
		if (!over_max(m, atomic_load_explicit(&m->account->usage, memory_order_relaxed), bytes))
			continue;
		for (undo = memcg; undo != m->parent; undo = undo->parent)
			add(undo, -(int64_t)bytes);
		*ret_over = m;
		return -ENOMEM;
	}
	return 0;
}

void shrink_memcg_do_uncharge(struct shrink_memcg *memcg, uint64_t bytes)
{
	for (; memcg->parent; memcg = memcg->parent)
		add(memcg, -(int64_t)bytes);
}

void shrink_memcg_count_event(struct shrink_memcg *memcg, enum shrink_memcg_event event)
{
	for (; memcg->parent; memcg = memcg->parent) {
		int fd = atomic_load_explicit(&memcg->account->event_fd, memory_order_acquire);

		atomic_fetch_add_explicit(&memcg->account->events[event], 1, memory_order_relaxed);
		if (fd >= 0)
			shrink_os_notify(fd);
	}
}

uint64_t shrink_memcg_protection(uint64_t usage, uint64_t setting, uint64_t parent_effective,
				 uint64_t siblings_protected, bool below_root)
{
	uint64_t claimed = shrink_min_u64(usage, setting);

	if (below_root)
		return setting;
	if (siblings_protected > parent_effective)
		return shrink_mul_div(claimed, parent_effective, siblings_protected);
	return claimed;
}

void shrink_memcg_protect(struct shrink_memcg *top, struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = memcg->account;
	bool below_root = memcg->parent == top;
	struct shrink_memcg_account *up = memcg->parent->account;

	for (int i = 0; i < 2; i++) {
		uint64_t e = shrink_memcg_protection(
			shrink_memcg_usage_now(memcg),
			atomic_load_explicit(&a->limit[i], memory_order_relaxed),
			up ? atomic_load_explicit(&up->effective[i], memory_order_relaxed) : 0,
			up ? atomic_load_explicit(&up->children[i], memory_order_relaxed) : 0,
			below_root);

		atomic_store_explicit(&a->effective[i], e, memory_order_relaxed);
	}
}

/* Exchange and add, so that concurrent tellers leave the sum right at rest. */
void shrink_memcg_tell_protection(struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = memcg->account, *up = memcg->parent->account;
	uint64_t usage = atomic_load_explicit(&a->usage, memory_order_relaxed);

	if (!up)
		return;
	for (int i = 0; i < 2; i++) {
		uint64_t now = shrink_min_u64(
			usage, atomic_load_explicit(&a->limit[i], memory_order_relaxed));
		uint64_t before;

		if (now == atomic_load_explicit(&a->told[i], memory_order_relaxed))
			continue;
		before = atomic_exchange_explicit(&a->told[i], now, memory_order_relaxed);
		atomic_fetch_add_explicit(&up->children[i], now - before, memory_order_relaxed);
	}
}
