// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The list of shrinkers, read without a lock.
 *
 * Walks take a reference before they call anything and hold no read section while
 * a callback runs; a shrinker that is held is on the list. So a walk goes on by
 *
 *	read section { n = next(s); until try_get(n) succeeds: n = next(n) }
 *	put(s)
 *
 * The section covers just the steps over shrinkers it could not hold. Each of
 * these was linked when the section began or was reached from one that was, and
 * is unlinked, if at all, meanwhile; its memory is kept until the section ends.
 *
 * Removal waits for nobody: whoever drops the last reference unlinks (D -> X) and
 * the memory goes to limbo. Limbo is emptied at once where no walk runs at all -
 * a walk that begins later cannot find what is unlinked; gate.c argues the race -
 * and else after a grace period, by a thread of ours that has nothing better to do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/core.h>
#include <libshrink/core/life.h>
#include <libshrink/core/rcu.h>
#include <libshrink/os/alloc.h>

#ifdef SHRINK_TSAN
char shrink_rcu_tsan_grace;
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER; /* some D -> X */
static _Atomic(struct shrinker_impl *) head;
static struct shrinker_impl *tail;
static _Atomic unsigned long linked;

static struct shrinker_impl *limbo;
static _Atomic unsigned long limbo_count;
static void (*_Atomic limbo_hook)(void);
#define LIMBO_CROWD 512 /* about half a MiB */
static void (*_Atomic change_hook)(struct shrinker_impl *gone);

void shrink_registry_lock(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_registry_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

unsigned long shrink_registry_count(void)
{
	return atomic_load_explicit(&linked, memory_order_relaxed);
}

unsigned long shrink_registry_limbo(void)
{
	return atomic_load_explicit(&limbo_count, memory_order_relaxed);
}

/* A -> R: at the tail, as the kernel's; release, so that a walk which finds it
 * finds it complete. */
void shrink_registry_link(struct shrinker_impl *s)
{
	s->prev = tail;
	atomic_store_explicit(tail ? &tail->next : &head, s, memory_order_release);
	tail = s;
	atomic_fetch_add_explicit(&linked, 1, memory_order_relaxed);
}

/* Its own next stays, for walks that stand on it. */
static void unlink_locked(struct shrinker_impl *s)
{
	struct shrinker_impl *next = atomic_load_explicit(&s->next, memory_order_relaxed);

	atomic_store_explicit(s->prev ? &s->prev->next : &head, next, memory_order_release);
	if (next)
		next->prev = s->prev;
	else
		tail = s->prev;
	atomic_fetch_sub_explicit(&linked, 1, memory_order_relaxed);
}

bool shrinker_try_get(struct shrinker_impl *s)
{
	long refs = atomic_load_explicit(&s->refs, memory_order_relaxed);

	while (refs > 0)
		if (atomic_compare_exchange_weak_explicit(&s->refs, &refs, refs + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

void shrink_registry_on_change(void (*changed)(struct shrinker_impl *gone))
{
	atomic_store_explicit(&change_hook, changed, memory_order_release);
}

void shrink_registry_changed(struct shrinker_impl *gone)
{
	void (*changed)(struct shrinker_impl *) =
		atomic_load_explicit(&change_hook, memory_order_acquire);

	if (changed)
		changed(gone);
}

/* D -> X. After the unlock @s belongs to whoever waits, or to limbo. */
static void finish(struct shrinker_impl *s)
{
	void (*done)(void *) = NULL;
	void *arg = s->pub.private_data;
	bool waited;

	shrink_registry_changed(s);
	pthread_mutex_lock(&lock);
	unlink_locked(s);
	shrinker_unmap_id(s->id);
	shrink_owner_detach(s);
	s->state = SHRINKER_X;
	waited = s->waited;
	if (waited)
		pthread_cond_broadcast(&ended);
	else
		done = s->done;
	pthread_mutex_unlock(&lock);

	if (waited)
		return;
	shrink_registry_bury(s);
	if (done)
		done(arg);
}

void shrinker_put(struct shrinker_impl *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		finish(s);
}

void shrink_registry_wait_end(struct shrinker_impl *s)
{
	while (s->state != SHRINKER_X)
		pthread_cond_wait(&ended, &lock);
}

struct shrinker_impl *shrink_registry_first(void)
{
	struct shrinker_impl *s;

	shrink_rcu_read_lock();
	s = atomic_load_explicit(&head, memory_order_acquire);
	while (s && !shrinker_try_get(s))
		s = atomic_load_explicit(&s->next, memory_order_acquire);
	shrink_rcu_read_unlock();
	return s;
}

struct shrinker_impl *shrink_registry_next(struct shrinker_impl *s)
{
	struct shrinker_impl *n;

	shrink_rcu_read_lock();
	n = atomic_load_explicit(&s->next, memory_order_acquire);
	while (n && !shrinker_try_get(n))
		n = atomic_load_explicit(&n->next, memory_order_acquire);
	shrink_rcu_read_unlock();
	shrinker_put(s);
	return n;
}

static void release(struct shrinker_impl *list)
{
	while (list) {
		struct shrinker_impl *s = list;

		list = s->limbo;
		shrink_os_free(s);
		atomic_fetch_sub_explicit(&limbo_count, 1, memory_order_relaxed);
	}
}

void shrink_registry_on_limbo(void (*crowded)(void))
{
	atomic_store_explicit(&limbo_hook, crowded, memory_order_release);
}

/* The id is free at once: no walk looks at it. The memory waits, and where much of
 * it does, whoever empties limbo is told without waiting for his next turn. */
void shrink_registry_bury(struct shrinker_impl *s)
{
	void (*crowded)(void) = atomic_load_explicit(&limbo_hook, memory_order_acquire);
	unsigned long n;

	shrinker_unmap_id(s->id); /* one that was never on the list */
	shrinker_release_id(s->id);
	pthread_mutex_lock(&lock);
	s->limbo = limbo;
	limbo = s;
	pthread_mutex_unlock(&lock);
	n = atomic_fetch_add_explicit(&limbo_count, 1, memory_order_relaxed) + 1;
	shrink_registry_drain(false);
	if (crowded && n % LIMBO_CROWD == 0)
		crowded();
}

void shrink_registry_drain(bool wait)
{
	struct shrinker_impl *list;

	/* Waiting counts as a walk, so that neither fork nor exit finds us amid it */
	if (!shrink_registry_limbo() || (wait && !shrink_gate_enter()))
		return;
	pthread_mutex_lock(&lock);
	list = limbo;
	if (!wait && !shrink_gate_quiet())
		list = NULL;
	else
		limbo = NULL;
	pthread_mutex_unlock(&lock);
	if (wait) {
		if (list)
			shrink_rcu_synchronize();
		shrink_gate_exit();
	}
	release(list);
}

void shrink_registry_apply_rules(void)
{
	pthread_mutex_lock(&lock);
	for (struct shrinker_impl *s = atomic_load_explicit(&head, memory_order_relaxed); s;
	     s = atomic_load_explicit(&s->next, memory_order_relaxed))
		shrinker_apply_rules(s);
	pthread_mutex_unlock(&lock);
	shrink_registry_changed(NULL);
}

void shrink_registry_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_registry_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * References of threads that the child does not have are void: what is left is
 * the registration's, and the callback's that the forking thread is itself in. A
 * shrinker that was draining is freed as far as anybody here is concerned.
 */
void shrink_registry_fork_child(void)
{
	struct shrinker_impl *next, *dead = NULL;

	shrink_rcu_fork_child();
	pthread_cond_init(&ended, NULL);
	for (struct shrinker_impl *s = atomic_load(&head); s; s = next) {
		long own = s == shrink_context.current;

		next = atomic_load(&s->next);
		atomic_store(&s->stuck, 0);
		if (s->state == SHRINKER_D && !own) {
			unlink_locked(s);
			shrinker_unmap_id(s->id);
			shrink_owner_detach(s);
			shrinker_release_id(s->id);
			s->limbo = dead;
			dead = s;
			atomic_fetch_add(&limbo_count, 1);
		} else {
			atomic_store(&s->refs, own + (s->state == SHRINKER_L));
		}
	}
	pthread_mutex_unlock(&lock);
	release(dead);
}
