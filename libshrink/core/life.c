// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What callers do to a shrinker: allocate, register, free. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/life.h>
#include <libshrink/core/memcg.h>
#include <libshrink/core/rcu.h>
#include <libshrink/os/alloc.h>

#define ALL_FLAGS                                                                                  \
	(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE | SHRINKER_DIRECT | SHRINKER_SELF_RELEASE)

/* Ids: the lowest that is free, so that they stay small. A bit map that grows by
 * words; 64 Ki shrinkers are four times what the kernel's busiest hosts have. */
#define IDS_MAX 65536
static pthread_mutex_t ids_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t ids[IDS_MAX / 64];
static unsigned int ids_hint; /* no word before it has a free bit */
/* Set from allocation to the moment it is off the list; read inside RCU. */
static _Atomic(struct shrinker_impl *) by_id[IDS_MAX];

static int take_id(void)
{
	int id = -ENOMEM;

	pthread_mutex_lock(&ids_lock);
	while (ids_hint < IDS_MAX / 64 && !~ids[ids_hint])
		ids_hint++;
	if (ids_hint < IDS_MAX / 64) {
		unsigned int bit = (unsigned int)__builtin_ctzll(~ids[ids_hint]);

		ids[ids_hint] |= 1ULL << bit;
		id = (int)(ids_hint * 64 + bit);
	}
	pthread_mutex_unlock(&ids_lock);
	return id;
}

void shrinker_release_id(int id)
{
	unsigned int word = (unsigned int)id / 64;

	pthread_mutex_lock(&ids_lock);
	ids[word] &= ~(1ULL << (id % 64));
	if (word < ids_hint)
		ids_hint = word;
	pthread_mutex_unlock(&ids_lock);
}

void shrink_life_fork_prepare(void)
{
	pthread_mutex_lock(&ids_lock);
}

void shrink_life_fork_parent(void)
{
	pthread_mutex_unlock(&ids_lock);
}

struct shrinker_impl *shrinker_by_id_locked(int id)
{
	return atomic_load_explicit(&by_id[id], memory_order_acquire);
}

struct shrinker_impl *shrinker_get_by_id(int id, bool *ret_absent)
{
	struct shrinker_impl *s;

	shrink_rcu_read_lock();
	s = atomic_load_explicit(&by_id[id], memory_order_acquire);
	*ret_absent = !s;
	if (s && !shrinker_try_get(s))
		s = NULL;
	shrink_rcu_read_unlock();
	return s;
}

void shrinker_unmap_id(int id)
{
	atomic_store_explicit(&by_id[id], NULL, memory_order_release);
}

/* Every group has room for its bit and deferred work before anybody can set them. */
static int map_id(struct shrinker_impl *s)
{
	int r = 0;

	if (s->pub.flags & SHRINKER_MEMCG_AWARE) {
		shrink_registry_lock();
		r = shrink_memcg_make_room(s->id);
		if (!r)
			shrink_memcg_forget_id(s->id);
		shrink_registry_unlock();
	}
	if (!r)
		atomic_store_explicit(&by_id[s->id], s, memory_order_release);
	return r;
}

static struct shrinker_impl *new_impl(unsigned int flags)
{
	int nodes = flags & SHRINKER_NUMA_AWARE ? shrink_core_nr_nodes() : 1;
	struct shrinker_impl *s;

	s = shrink_os_alloc(sizeof(*s) + (size_t)nodes * sizeof(s->node[0]));
	if (!s)
		return NULL;
	s->id = take_id();
	if (s->id < 0) {
		shrink_os_free(s);
		errno = ENOMEM;
		return NULL;
	}
	s->nr_nodes = nodes;
	s->pub.flags = flags;
	s->pub.seeks = SHRINK_DEFAULT_SEEKS;
	s->base_enabled = 1;
	atomic_store_explicit(&s->enabled, 1, memory_order_relaxed);
	atomic_store_explicit(&s->weight, 100, memory_order_relaxed);
	shrink_list_init(&s->owner_link);
	if (map_id(s) < 0) {
		shrinker_release_id(s->id);
		shrink_os_free(s);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	struct shrinker_impl *s;
	va_list args;
	int n;

	if (flags & ~ALL_FLAGS || !fmt) {
		errno = EINVAL;
		return NULL;
	}
	if (shrink_core_fork_arm() < 0) {
		errno = ENOMEM;
		return NULL;
	}
	s = new_impl(flags);
	if (!s)
		return NULL;
	va_start(args, fmt);
	n = vsnprintf(s->name, sizeof(s->name), fmt, args);
	va_end(args);
	if (n <= 0) {
		shrinker_unmap_id(s->id);
		shrinker_release_id(s->id);
		shrink_os_free(s);
		errno = EINVAL;
		return NULL;
	}
	return &s->pub;
}

static int check(const struct shrinker *s)
{
	if (!s->scan_objects || (!s->count_objects && !s->owner))
		return -EINVAL;
	if (s->batch < 0 || s->seeks < 0)
		return -EINVAL;
	return 0;
}

int shrinker_register(struct shrinker *pub)
{
	struct shrinker_impl *s = shrinker_impl(pub);
	int r;

	if (!pub)
		return -EINVAL;
	r = check(pub);
	if (r < 0)
		return r;
	shrink_registry_lock();
	if (s->state != SHRINKER_A) {
		r = s->state == SHRINKER_L ? -EALREADY : -ESTALE;
	} else {
		s->base_seeks = pub->seeks;
		s->base_keep = pub->keep;
		atomic_store_explicit(&s->batch, pub->batch, memory_order_relaxed);
		shrinker_apply_rules(s);
		if (pub->owner)
			shrink_owner_attach(s);
		s->state = SHRINKER_R;
		shrink_registry_link(s);
		s->state = SHRINKER_L;
		/* Last: from here on callbacks run. Pairs with try_get's acquire. */
		atomic_store_explicit(&s->refs, 1, memory_order_release);
	}
	shrink_registry_unlock();
	if (!r)
		shrink_registry_changed(NULL);
	return r;
}

/*
 * Who waits for whom: a callback of @holder is in shrinker_free(@target). Under
 * the registry lock; each entry lives on the stack of its waiting thread.
 */
struct waiting {
	const struct shrinker_impl *holder, *target;
	struct waiting *next;
};
static struct waiting *waitings;

static bool leads_to(const struct shrinker_impl *from, const struct shrinker_impl *to)
{
	for (struct waiting *w = waitings; w; w = w->next)
		if (w->holder == from && (w->target == to || leads_to(w->target, to)))
			return true;
	return false;
}

static void wait_listed(struct shrinker_impl *holder, struct shrinker_impl *target)
{
	struct waiting me = {.holder = holder, .target = target, .next = waitings}, **p;

	if (holder)
		waitings = &me;
	shrink_registry_wait_end(target);
	if (!holder)
		return;
	for (p = &waitings; *p != &me; p = &(*p)->next)
		;
	*p = me.next;
}

/* L -> D. What is left to do: nothing (never registered), or drop the reference. */
static int begin_end(struct shrinker_impl *s)
{
	if (s->state == SHRINKER_A) {
		s->state = SHRINKER_X;
		return 0;
	}
	if (s->state != SHRINKER_L)
		return -ESTALE;
	s->state = SHRINKER_D;
	atomic_store_explicit(&s->dying, 1, memory_order_relaxed);
	return 1;
}

/* The threads that waited are not in the child. */
void shrink_life_fork_child(void)
{
	waitings = NULL;
	pthread_mutex_unlock(&ids_lock);
}

void shrinker_free(struct shrinker *pub)
{
	struct shrinker_impl *s = shrinker_impl(pub), *current = shrink_context.current;
	bool circle = false;
	char name[SHRINK_NAME_MAX];
	int r;

	if (!pub)
		return;
	shrink_registry_lock();
	r = begin_end(s);
	if (r > 0) {
		circle = current && current != s && leads_to(s, current);
		s->waited = current != s && !circle;
		snprintf(name, sizeof(name), "%s", s->name);
	}
	shrink_registry_unlock();
	if (r < 0) {
		shrink_err("shrinker_free: %s-%d is being freed already; this call is ignored",
			   s->name, s->id);
		return;
	}
	if (!r) {
		shrink_registry_bury(s);
		return;
	}
	if (s->waited) {
		shrinker_put(s);
		shrink_registry_lock();
		wait_listed(current, s);
		shrink_registry_unlock();
		shrink_registry_bury(s);
		return;
	}
	shrinker_put(s); /* @s may be gone from here on */
	if (circle)
		shrink_err("shrinker_free: callbacks free each other's shrinkers in a circle; "
			   "%s is freed without waiting for its running callback", name);
}

int shrinker_free_async(struct shrinker *pub, void (*done)(void *private_data))
{
	struct shrinker_impl *s = shrinker_impl(pub);
	void *arg;
	int r;

	if (!pub)
		return -EINVAL;
	arg = pub->private_data;
	shrink_registry_lock();
	r = begin_end(s);
	if (r > 0)
		s->done = done;
	shrink_registry_unlock();
	if (r < 0)
		return r;
	if (r) {
		shrinker_put(s);
		return 0;
	}
	shrink_registry_bury(s);
	if (done)
		done(arg);
	return 0;
}
