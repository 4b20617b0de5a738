// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>

#include <libshrink/base/log.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-protect.h>
#include <libshrink/core/memcg-stock.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/fd.h>

/* The child of a fork has none of the parent's descriptors: what an account has
 * opened before counts as closed there. */
static _Atomic unsigned int forks;

static bool is_current(struct shrink_memcg_account *a)
{
	return atomic_load_explicit(&a->forks, memory_order_acquire) ==
	       atomic_load_explicit(&forks, memory_order_relaxed);
}

void shrink_memcg_account_fork_child(void)
{
	atomic_fetch_add(&forks, 1);
}

int shrink_memcg_account_alloc(struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = shrink_os_alloc(sizeof(*a));

	if (!a)
		return -ENOMEM;
	atomic_store(&a->limit[SHRINK_MEMCG_LIMIT_HIGH], SHRINK_MEMCG_MAX);
	atomic_store(&a->limit[SHRINK_MEMCG_LIMIT_MAX], SHRINK_MEMCG_MAX);
	atomic_store(&a->limit[SHRINK_MEMCG_LIMIT_SOFT], SHRINK_MEMCG_MAX);
	atomic_store(&a->event_fd, -1);
	atomic_store(&a->forks, atomic_load(&forks));
	memcg->account = a;
	return 0;
}

static void close_level(struct shrink_memcg_account *a, struct shrink_cgroup_level *level)
{
	if (is_current(a))
		shrink_os_cgroup_close_dir(level);
	else
		shrink_os_free(level);
}

static void close_all(struct shrink_memcg_account *a)
{
	if (is_current(a))
		shrink_os_close(atomic_load(&a->event_fd));
	atomic_store(&a->event_fd, -1);
	close_level(a, atomic_exchange(&a->bound, NULL));
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(a->unbound); i++) {
		close_level(a, a->unbound[i]);
		a->unbound[i] = NULL;
	}
}

void shrink_memcg_account_free(struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = memcg->account;

	if (!a)
		return;
	close_all(a);
	shrink_os_free(a);
}

/* Registry lock held: after a fork, begin with nothing open. */
static void renew(struct shrink_memcg_account *a)
{
	if (is_current(a))
		return;
	close_all(a);
	atomic_store_explicit(&a->forks, atomic_load(&forks), memory_order_release);
}

struct shrink_cgroup_level *shrink_memcg_bound(struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = memcg->account;

	return is_current(a) ? atomic_load_explicit(&a->bound, memory_order_acquire) : NULL;
}

int shrink_memcg_account_event_fd(struct shrink_memcg_account *a)
{
	int fd;

	shrink_registry_lock();
	renew(a);
	fd = atomic_load_explicit(&a->event_fd, memory_order_relaxed);
	if (fd < 0) {
		fd = shrink_os_eventfd(0);
		if (fd >= 0)
			atomic_store_explicit(&a->event_fd, fd, memory_order_release);
	}
	shrink_registry_unlock();
	return fd;
}

int shrink_memcg_account_bind(struct shrink_memcg_account *a, struct shrink_cgroup_level *level)
{
	struct shrink_cgroup_level *old;
	size_t i = 0;

	shrink_registry_lock();
	renew(a);
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
	bound = shrink_memcg_bound(memcg);
	if (bound && !shrink_os_pread_u64(bound->usage_fd, &usage))
		return usage;
	return atomic_load_explicit(&memcg->account->usage, memory_order_relaxed);
}

uint64_t shrink_memcg_limit_now(struct shrink_memcg *memcg, enum shrink_memcg_limit which)
{
	struct shrink_cgroup_level *bound = shrink_memcg_bound(memcg);
	uint64_t own = atomic_load_explicit(&memcg->account->limit[which], memory_order_relaxed);
	int fd;

	if (!bound || which < SHRINK_MEMCG_LIMIT_HIGH || which == SHRINK_MEMCG_LIMIT_SOFT)
		return own;
	fd = which == SHRINK_MEMCG_LIMIT_HIGH ? bound->high_fd : bound->limit_fd;
	return shrink_min_u64(own, shrink_os_cgroup_limit_at(fd));
}

/* A bound group's usage is the kernel's, which counts the bytes only once they are
 * touched: what we know ourselves is the lower bound. */
static bool over_max(struct shrink_memcg *memcg, uint64_t usage, uint64_t bytes)
{
	uint64_t max = shrink_memcg_limit_now(memcg, SHRINK_MEMCG_LIMIT_MAX);

	if (max == SHRINK_MEMCG_MAX)
		return false;
	if (shrink_memcg_bound(memcg))
		usage = shrink_max_u64(usage,
				       shrink_add_u64(shrink_memcg_usage_now(memcg), bytes));
	return usage > max;
}

/* Usage after it. */
static uint64_t add(struct shrink_memcg *memcg, uint64_t bytes)
{
	uint64_t before = atomic_fetch_add_explicit(&memcg->account->usage, bytes,
						    memory_order_relaxed);

	shrink_memcg_tell_protection(memcg);
	return before + bytes;
}

static _Atomic int underflows; /* 1: to be said, 2: has been said */

void shrink_memcg_tell_underflow(void)
{
	int one = 1;

	if (atomic_load_explicit(&underflows, memory_order_relaxed) == 1 &&
	    atomic_compare_exchange_strong(&underflows, &one, 2))
		shrink_err("a group was uncharged more than it was charged");
}

static void subtract(struct shrink_memcg *memcg, uint64_t bytes)
{
	int none = 0;
	uint64_t before = atomic_fetch_sub_explicit(&memcg->account->usage, bytes,
						    memory_order_relaxed);

	if (before < bytes) {
		atomic_fetch_add_explicit(&memcg->account->usage, bytes - before,
					  memory_order_relaxed);
		atomic_compare_exchange_strong(&underflows, &none, 1);
	}
	shrink_memcg_tell_protection(memcg);
}

int shrink_memcg_try_charge(struct shrink_memcg *memcg, uint64_t bytes,
			    struct shrink_memcg **ret_over)
{
	struct shrink_memcg *m, *undo;

	for (m = memcg; m->parent; m = m->parent) {
		if (!over_max(m, add(m, bytes), bytes))
			continue;
		for (undo = memcg; undo != m->parent; undo = undo->parent)
			subtract(undo, bytes);
		*ret_over = m;
		return -ENOMEM;
	}
	return 0;
}

void shrink_memcg_do_uncharge(struct shrink_memcg *memcg, uint64_t bytes)
{
	for (; memcg->parent; memcg = memcg->parent)
		subtract(memcg, bytes);
}

void shrink_memcg_count_freed(struct shrink_memcg *memcg, uint64_t bytes)
{
	for (; bytes && memcg->parent; memcg = memcg->parent)
		atomic_fetch_add_explicit(&memcg->account->freed_bytes, bytes,
					  memory_order_relaxed);
}

void shrink_memcg_count_event(struct shrink_memcg *memcg, enum shrink_memcg_event event)
{
	for (; memcg->parent; memcg = memcg->parent) {
		struct shrink_memcg_account *a = memcg->account;
		int fd = atomic_load_explicit(&a->event_fd, memory_order_acquire);

		atomic_fetch_add_explicit(&a->events[event], 1, memory_order_relaxed);
		if (fd >= 0 && is_current(a))
			shrink_os_notify(fd);
	}
}
