// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <libshrink/base/list.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-stock.h>
#include <libshrink/os/membarrier.h>

/* All fields are relaxed atomics: the order comes from the protocol. */
struct stock {
	_Atomic(struct shrink_memcg *) memcg; /* referenced while bytes are held */
	_Atomic uint64_t bytes;
	_Atomic int busy;
	_Atomic int wanted;
	bool listed;             /* owner only */
	struct shrink_list link; /* under the lock */
};

static __thread struct stock own __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list stocks = SHRINK_LIST_INIT(stocks);
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Atomic int usable; /* the kernel has membarrier, and threads can be told off */

#define get(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define set(field, v) atomic_store_explicit(&(field), (v), memory_order_relaxed)
#define compiler_barrier() atomic_signal_fence(memory_order_seq_cst)

static bool begin(void)
{
	set(own.busy, 1);
	compiler_barrier();
	return !get(own.wanted);
}

static void end(void)
{
	compiler_barrier();
	/* Release: what we did with the stock is seen by who waits for busy == 0 */
	atomic_store_explicit(&own.busy, 0, memory_order_release);
}

bool shrink_memcg_stock_take(struct shrink_memcg *memcg, uint64_t bytes)
{
	bool taken = false;

	if (begin() && get(own.memcg) == memcg && get(own.bytes) >= bytes) {
		set(own.bytes, get(own.bytes) - bytes);
		taken = true;
	}
	end();
	return taken;
}

/* Lock held, and the owner kept out. What it held, to be given back. */
static uint64_t empty(struct stock *s, struct shrink_memcg **ret_memcg)
{
	uint64_t bytes = get(s->bytes);

	*ret_memcg = get(s->memcg);
	set(s->memcg, NULL);
	set(s->bytes, 0);
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

/* The thread ends. */
static void leave(void *arg)
{
	struct stock *s = arg;
	struct shrink_memcg *memcg;
	uint64_t bytes;

	pthread_mutex_lock(&lock);
	bytes = empty(s, &memcg);
	shrink_list_del(&s->link);
	s->listed = false;
	pthread_mutex_unlock(&lock);
	give_back(memcg, bytes);
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
	pthread_once(&once, prepare);
	if (!get(usable) || pthread_setspecific(key, &own))
		return false;
	pthread_mutex_lock(&lock);
	shrink_list_add_tail(&own.link, &stocks);
	pthread_mutex_unlock(&lock);
	own.listed = true;
	return true;
}

/* The slow half: under the lock no drainer is at work, so the stock is ours. */
void shrink_memcg_stock_put(struct shrink_memcg *memcg, uint64_t bytes)
{
	struct shrink_memcg *other = NULL;
	uint64_t back = 0, over = bytes;

	if (bytes && begin() && get(own.memcg) == memcg &&
	    get(own.bytes) + bytes <= 2 * SHRINK_MEMCG_BATCH) {
		set(own.bytes, get(own.bytes) + bytes);
		end();
		return;
	}
	end();
	if (bytes && list_own()) {
		pthread_mutex_lock(&lock);
		if (get(own.memcg) != memcg) {
			back = empty(&own, &other);
			set(own.memcg, shrink_memcg_get(memcg));
		}
		over = shrink_sub_u64(get(own.bytes) + bytes, 2 * SHRINK_MEMCG_BATCH);
		if (over) /* keep one batch, so that the next few are fast again */
			over = get(own.bytes) + bytes - SHRINK_MEMCG_BATCH;
		set(own.bytes, get(own.bytes) + bytes - over);
		pthread_mutex_unlock(&lock);
	}
	give_back(other, back);
	if (over)
		shrink_memcg_do_uncharge(memcg, over);
}

static void wait_idle(struct stock *s)
{
	while (atomic_load_explicit(&s->busy, memory_order_acquire))
		sched_yield();
}

static void want_all(int wanted)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &stocks)
		set(shrink_list_entry(pos, struct stock, link)->wanted, wanted);
}

/* Giving back under the lock only touches counters, and at most frees a group. */
void shrink_memcg_stock_drain(void)
{
	struct shrink_memcg *memcg;
	struct shrink_list *pos;
	uint64_t bytes;

	pthread_mutex_lock(&lock);
	want_all(1);
	shrink_os_membarrier();
	shrink_list_for_each(pos, &stocks) {
		struct stock *s = shrink_list_entry(pos, struct stock, link);

		wait_idle(s);
		bytes = empty(s, &memcg);
		give_back(memcg, bytes);
	}
	want_all(0);
	pthread_mutex_unlock(&lock);
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
	struct shrink_memcg *memcg;
	uint64_t bytes;

	shrink_list_for_each_safe(pos, tmp, &stocks) {
		struct stock *s = shrink_list_entry(pos, struct stock, link);

		if (s == &own)
			continue;
		shrink_list_del(&s->link);
		bytes = empty(s, &memcg);
		give_back(memcg, bytes);
	}
	pthread_mutex_unlock(&lock);
	if (get(usable))
		shrink_os_membarrier_prepare();
}
