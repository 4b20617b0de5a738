// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <pthread.h>
#include <stdatomic.h>

#include <libshrink/base/list.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-stock.h>
#include <libshrink/os/membarrier.h>

__thread struct shrink_memcg_stock shrink_memcg_stock;
/* the calling thread's */
#define own shrink_memcg_stock

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list stocks = SHRINK_LIST_INIT(stocks);
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Atomic int usable; /* the kernel has membarrier, and threads can be told off */

#define get(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define set(field, v) atomic_store_explicit(&(field), (v), memory_order_relaxed)

/* Lock held, and the owner kept out. What it held, to be given back. */
static uint64_t empty(struct shrink_memcg_slot *slot, struct shrink_memcg **ret_memcg)
{
	uint64_t bytes = get(slot->bytes);

	*ret_memcg = get(slot->memcg);
	set(slot->memcg, NULL);
	set(slot->bytes, 0);
	return bytes;
}

static void give_back(struct shrink_memcg *memcg, uint64_t bytes)
{
	if (!memcg)
		return;
	if (bytes)
		shrink_memcg_do_uncharge(memcg, bytes);
	shrink_memcg_put(memcg);
}

/* Lock held. That only touches counters, and at most frees a group. */
static void give_back_all(struct shrink_memcg_stock *s)
{
	for (int i = 0; i < SHRINK_MEMCG_SLOTS; i++) {
		struct shrink_memcg *memcg;
		uint64_t bytes = empty(&s->slot[i], &memcg);

		give_back(memcg, bytes);
	}
}

/* The thread ends. It may charge yet, in other destructors, but has no stock any
 * more: nobody would take that off the list. */
static void leave(void *arg)
{
	struct shrink_memcg_stock *s = arg;

	pthread_mutex_lock(&lock);
	give_back_all(s);
	shrink_list_del(&s->link);
	s->listed = false;
	s->left = true;
	pthread_mutex_unlock(&lock);
}

static void prepare(void)
{
	if (!pthread_key_create(&key, leave) && !shrink_os_membarrier_prepare())
		set(usable, 1);
}

static bool list_own(void)
{
	if (own.listed)
		return true;
	if (own.left)
		return false;
	pthread_once(&once, prepare);
	if (!get(usable) || pthread_setspecific(key, &own))
		return false;
	pthread_mutex_lock(&lock);
	shrink_list_add_tail(&own.link, &stocks);
	pthread_mutex_unlock(&lock);
	own.listed = true;
	return true;
}

/* The slow half: under the lock no drainer is at work, so the stock is ours. An
 * offline group's drain takes the lock after the group has gone offline, so either
 * we see that here or it finds what we put. Returns what does not fit. */
static uint64_t put_slowly(struct shrink_memcg *memcg, uint64_t bytes)
{
	struct shrink_memcg_slot *slot = shrink_memcg_slot_of(memcg);
	struct shrink_memcg *other = NULL;
	uint64_t back = 0, all, over = bytes;

	pthread_mutex_lock(&lock);
	if (atomic_load_explicit(&memcg->online, memory_order_relaxed)) {
		if (get(slot->memcg) != memcg) {
			back = empty(slot, &other);
			set(slot->memcg, shrink_memcg_get(memcg));
		}
		all = get(slot->bytes) + bytes;
		/* keep one batch, so that the next few are fast again */
		over = all > 2 * SHRINK_MEMCG_BATCH ? all - SHRINK_MEMCG_BATCH : 0;
		set(slot->bytes, all - over);
	}
	pthread_mutex_unlock(&lock);
	give_back(other, back);
	return over;
}

void shrink_memcg_stock_put(struct shrink_memcg *memcg, uint64_t bytes)
{
	if (!bytes || shrink_memcg_stock_add(memcg, bytes))
		return;
	if (list_own())
		bytes = put_slowly(memcg, bytes);
	if (bytes)
		shrink_memcg_do_uncharge(memcg, bytes);
}

static void wait_idle(struct shrink_memcg_stock *s)
{
	while (atomic_load_explicit(&s->busy, memory_order_acquire))
		shrink_os_yield();
}

static void want_all(int wanted)
{
	struct shrink_list *pos;

	/* Release: pairs with shrink_memcg_stock_begin() */
	shrink_list_for_each(pos, &stocks) atomic_store_explicit(
		&shrink_list_entry(pos, struct shrink_memcg_stock, link)->wanted, wanted,
		memory_order_release);
}

void shrink_memcg_stock_drain(void)
{
	struct shrink_list *pos;

	pthread_mutex_lock(&lock);
	want_all(1);
	shrink_os_membarrier();
	shrink_list_for_each(pos, &stocks) {
		struct shrink_memcg_stock *s =
			shrink_list_entry(pos, struct shrink_memcg_stock, link);

		wait_idle(s);
		give_back_all(s);
	}
	want_all(0);
	pthread_mutex_unlock(&lock);
	shrink_memcg_tell_underflow();
}

void shrink_memcg_stock_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_memcg_stock_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/* Threads that the child does not have took their stocks along: what they had
 * charged in advance comes back to the groups. */
void shrink_memcg_stock_fork_child(void)
{
	struct shrink_list *pos, *tmp;

	shrink_list_for_each_safe(pos, tmp, &stocks) {
		struct shrink_memcg_stock *s =
			shrink_list_entry(pos, struct shrink_memcg_stock, link);

		if (s == &own)
			continue;
		shrink_list_del(&s->link);
		give_back_all(s);
	}
	pthread_mutex_unlock(&lock);
	if (get(usable))
		shrink_os_membarrier_prepare();
}
