// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Threads' sets of magazines: made with a thread's first object of a pool, emptied
 * when the thread ends, dropped with the pool, and with threads that a fork left
 * behind.
 */
#include <libshrink/os/alloc.h>
#include <libshrink/pool/fork.h>
#include <libshrink/pool/magazine.h>

__thread struct pool_thread shrink_pool_thread;
/* the calling thread's */
#define own shrink_pool_thread

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int have_key;

/* fork.c's lock held. What it held in number is the class's from now on. */
static void unlist(struct pool_magazines *set)
{
	for (unsigned int i = 0; i < MAGAZINE_CLASSES; i++) {
		pthread_mutex_lock(pool_class_lock(set->pool, i));
		set->pool->classes[i].cached += load_relaxed(&set->held[i]);
		pthread_mutex_unlock(pool_class_lock(set->pool, i));
	}
	shrink_list_del(&set->in_pool);
	shrink_list_del(&set->in_thread);
}

/* The thread ends. Other destructors may use pools yet: without magazines, as nobody
 * would empty them. */
static void leave(void *arg)
{
	struct pool_thread *t = arg;

	shrink_pool_list_lock();
	while (!shrink_list_empty(&t->sets)) {
		struct pool_magazines *set =
			shrink_list_entry(t->sets.next, struct pool_magazines, in_thread);

		shrink_pool_magazines_flush(set);
		unlist(set);
		shrink_os_free(set);
	}
	for (unsigned int i = 0; i < MAGAZINE_SLOTS; i++)
		t->slot[i].serial = 0;
	t->left = 1;
	shrink_pool_list_unlock();
}

static void make_key(void)
{
	have_key = !pthread_key_create(&key, leave);
}

static int list_own(void)
{
	if (own.listed)
		return !own.left;
	pthread_once(&once, make_key);
	if (!have_key || pthread_setspecific(key, &own))
		return 0;
	shrink_list_init(&own.sets);
	own.listed = 1;
	return 1;
}

static unsigned int rounds_of(const struct shrink_pool *pool, unsigned int index)
{
	size_t n = MAGAZINE_BYTES / pool->classes[index].geo.size;

	return (unsigned int)(n > MAGAZINE_ROUNDS ? MAGAZINE_ROUNDS : n < 2 ? 2 : n);
}

static struct pool_magazines *make(struct shrink_pool *pool)
{
	struct pool_magazines *set;
	uint64_t *rounds;
	size_t all = 0;

	for (unsigned int i = 0; i < MAGAZINE_CLASSES; i++)
		all += rounds_of(pool, i);
	set = shrink_os_alloc(sizeof(*set) + all * sizeof(*set->rounds));
	if (!set)
		return NULL;
	set->pool = pool;
	set->owner = &own;
	rounds = set->rounds;
	for (unsigned int i = 0; i < MAGAZINE_CLASSES; i++) {
		set->magazine[i].rounds = rounds;
		set->magazine[i].max = rounds_of(pool, i);
		rounds += set->magazine[i].max;
	}
	return set;
}

/* fork.c's lock held */
static struct pool_magazines *lookup(const struct shrink_pool *pool)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &own.sets) {
		struct pool_magazines *set =
			shrink_list_entry(pos, struct pool_magazines, in_thread);

		if (set->pool == pool)
			return set;
	}
	return NULL;
}

struct pool_magazines *shrink_pool_magazines_find(struct shrink_pool *pool)
{
	unsigned int i = pool->serial % MAGAZINE_SLOTS;
	struct pool_magazines *set;

	if (!list_own())
		return NULL;
	shrink_pool_list_lock();
	set = lookup(pool);
	shrink_pool_list_unlock();
	if (!set) {
		/* not under the lock: malloc may be what a fork waits for */
		set = make(pool);
		if (!set)
			return NULL;
		shrink_pool_list_lock();
		shrink_list_add_tail(&set->in_pool, &pool->magazines);
		shrink_list_add_tail(&set->in_thread, &own.sets);
		shrink_pool_list_unlock();
	}
	own.slot[i].set = set;
	own.slot[i].serial = pool->serial;
	return set;
}

int64_t shrink_pool_magazine_cached(struct shrink_pool *pool, unsigned int index)
{
	int64_t sum = pool->classes[index].cached;
	struct shrink_list *pos;

	if (index >= MAGAZINE_CLASSES)
		return 0;
	shrink_list_for_each(pos, &pool->magazines)
		sum += load_relaxed(
			&shrink_list_entry(pos, struct pool_magazines, in_pool)->held[index]);
	return sum > 0 ? sum : 0;
}

void shrink_pool_magazines_drop(struct shrink_pool *pool)
{
	shrink_pool_list_lock();
	while (!shrink_list_empty(&pool->magazines)) {
		struct pool_magazines *set = shrink_list_entry(pool->magazines.next,
							       struct pool_magazines, in_pool);

		unlist(set);
		shrink_os_free(set);
	}
	shrink_pool_list_unlock();
}

void shrink_pool_magazines_fork(struct shrink_pool *pool)
{
	struct shrink_list *pos, *tmp;

	shrink_list_for_each_safe(pos, tmp, &pool->magazines) {
		struct pool_magazines *set = shrink_list_entry(pos, struct pool_magazines, in_pool);

		for (unsigned int i = 0; i < MAGAZINE_CLASSES; i++) {
			set->magazine[i].nr = 0;
			store_relaxed(&set->held[i], 0);
		}
		if (set->owner == &own)
			continue;
		/* its thread's list is gone with the thread */
		shrink_list_del(&set->in_pool);
		shrink_os_free(set);
	}
	for (unsigned int i = 0; i < SHRINK_CLASSES; i++)
		pool->classes[i].cached = 0;
}
