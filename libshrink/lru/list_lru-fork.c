// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * All lrus there are: told of groups that go offline, and taken through fork().
 *
 * The forking thread takes every list's lock, so that the child finds the lists
 * whole and free. Who holds one is amid a few instructions, or in an application's
 * callback that must not sleep; a callback that does is waited for as long as
 * fork_wait says. Then its list goes into the child with the lock of a thread that
 * is not there: the ring is whole while a callback runs, so the child takes the lock
 * away. Was the ring being changed in that very moment, the lock stays, and the
 * child is told.
 */
#include <libshrink/base/atfork.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/lru/list_lru.h>
#include <libshrink/os/clock.h>

static pthread_mutex_t lrus_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list lrus = SHRINK_LIST_INIT(lrus);

static void group_offline(struct shrink_memcg_hook *hook, struct shrink_memcg *memcg)
{
	struct shrink_list *pos;

	(void)hook;
	pthread_mutex_lock(&lrus_lock);
	shrink_list_for_each(pos, &lrus) {
		struct shrink_lru *lru = shrink_list_entry(pos, struct shrink_lru, in_lrus);

		if (lru->per_group)
			shrink_lru_reparent(lru, memcg);
	}
	pthread_mutex_unlock(&lrus_lock);
}

typedef void (*one_fn)(struct shrink_lru_one *one, void *arg);

static void for_each_one(struct shrink_lru *lru, one_fn fn, void *arg)
{
	for (struct shrink_lru_block *block = lru->blocks; block; block = block->all)
		for (int slot = 0; slot < lru->nr_nodes; slot++)
			fn(&block->one[slot], arg);
}

static const void *caller_of(struct shrink_lru_one *one)
{
	return atomic_load_explicit(&one->caller, memory_order_relaxed);
}

/* Not our own callback's, and until @deadline no other's. */
static void take(struct shrink_lru_one *one, void *deadline)
{
	one->forking = false;
	while (!shrink_os_spin_trylock(&one->lock)) {
		const void *caller = caller_of(one);

		if (caller == &shrink_context ||
		    (caller && shrink_os_clock_real() > *(uint64_t *)deadline))
			return;
		shrink_os_spin_nap(&one->lock);
	}
	one->forking = true;
}

static void give(struct shrink_lru_one *one, void *arg)
{
	(void)arg;
	if (one->forking)
		shrink_os_spin_unlock(&one->lock);
}

static void inherit(struct shrink_lru_one *one, void *lost)
{
	const void *caller = caller_of(one);

	if (one->forking || (caller && caller != &shrink_context)) {
		atomic_store_explicit(&one->caller, NULL, memory_order_relaxed);
		shrink_os_spin_unlock(&one->lock);
	} else if (!caller && atomic_load_explicit(&one->lock.held, memory_order_relaxed)) {
		++*(unsigned int *)lost;
	}
}

static void prepare(void)
{
	uint64_t deadline = shrink_add_u64(shrink_os_clock_real(),
					   SHRINK_TUN(fork_wait) * NSEC_PER_MSEC);
	struct shrink_list *pos;

	pthread_mutex_lock(&lrus_lock);
	shrink_list_for_each(pos, &lrus) {
		struct shrink_lru *lru = shrink_list_entry(pos, struct shrink_lru, in_lrus);

		pthread_mutex_lock(&lru->life);
		for_each_one(lru, take, &deadline);
	}
}

static void release(one_fn fn, void *arg)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &lrus) {
		struct shrink_lru *lru = shrink_list_entry(pos, struct shrink_lru, in_lrus);

		for_each_one(lru, fn, arg);
		pthread_mutex_unlock(&lru->life);
	}
	pthread_mutex_unlock(&lrus_lock);
}

static void parent(void)
{
	release(give, NULL);
}

static void child(void)
{
	unsigned int lost = 0;

	release(inherit, &lost);
	if (lost)
		shrink_err("fork: %u LRU lists stay locked in the child, since a callback that "
			   "sleeps was changing them", lost);
}

/* The hook stays for good: with no lru listed it does nothing. Added with no lock of
 * ours held, since the core's is the outer one. */
static void hook_up(void)
{
	static struct shrink_memcg_hook hook = {.offline = group_offline};

	shrink_memcg_hook_add(&hook);
}

int shrink_lru_enlist(struct shrink_lru *lru)
{
	static const struct shrink_fork_hooks hooks = {prepare, parent, child};
	static pthread_once_t hooked = PTHREAD_ONCE_INIT;
	int r = shrink_fork_register(SHRINK_FORK_LRU, &hooks);

	if (r < 0)
		return r;
	if (lru->per_group)
		pthread_once(&hooked, hook_up);
	pthread_mutex_lock(&lrus_lock);
	shrink_list_add_tail(&lru->in_lrus, &lrus);
	pthread_mutex_unlock(&lrus_lock);
	return 0;
}

void shrink_lru_delist(struct shrink_lru *lru)
{
	pthread_mutex_lock(&lrus_lock);
	shrink_list_del(&lru->in_lrus);
	pthread_mutex_unlock(&lrus_lock);
}
