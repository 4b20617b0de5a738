// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The tree of groups: life and ids. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-map.h>
#include <libshrink/core/memcg-walk.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/alloc.h>

/* The root has no map: a pass over the root group is the pass over all shrinkers. */
static struct shrink_memcg root = {
	.refs = 1,
	.online = 1,
	.name = "/",
	.children = SHRINK_LIST_INIT(root.children),
	.sibling = SHRINK_LIST_INIT(root.sibling),
};
struct shrink_memcg *const shrink_memcg_root_group = &root;

/* By id, online groups only: written under the registry lock. */
static _Atomic(struct shrink_memcg *) by_id[SHRINK_MEMCGS_MAX];
static int nr_groups, id_hint = 1;
static uint64_t last_serial;
/* Groups go offline one at a time. The hooks run under this lock alone: they wait for
 * lists' locks, and who holds one of those may need the registry. */
static pthread_mutex_t offline_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list hooks = SHRINK_LIST_INIT(hooks);

struct shrink_memcg *shrink_memcg_root(void)
{
	return &root;
}

int shrink_memcg_count(void)
{
	int n;

	shrink_registry_lock();
	n = nr_groups;
	shrink_registry_unlock();
	return n;
}

struct shrink_memcg *shrink_memcg_parent(struct shrink_memcg *memcg)
{
	return memcg ? memcg->parent : NULL;
}

int shrink_memcg_name(struct shrink_memcg *memcg, char *buf, size_t size)
{
	if (!memcg || (!buf && size))
		return -EINVAL;
	return snprintf(buf, size, "%s", memcg->name);
}

struct shrink_memcg *shrink_memcg_get(struct shrink_memcg *memcg)
{
	if (memcg && memcg != &root)
		atomic_fetch_add_explicit(&memcg->refs, 1, memory_order_relaxed);
	return memcg;
}

static void release(struct shrink_memcg *memcg)
{
	shrink_memcg_map_free(memcg);
	shrink_memcg_account_free(memcg);
	shrink_os_free(memcg);
}

/* A child holds its parent, so the last reference may release a whole line. */
void shrink_memcg_put(struct shrink_memcg *memcg)
{
	while (memcg && memcg != &root &&
	       atomic_fetch_sub_explicit(&memcg->refs, 1, memory_order_acq_rel) == 1) {
		struct shrink_memcg *parent = memcg->parent;

		release(memcg);
		memcg = parent;
	}
}

/* Registry lock held. */
static int take_id(struct shrink_memcg *memcg)
{
	for (; id_hint < SHRINK_MEMCGS_MAX; id_hint++) {
		if (atomic_load_explicit(&by_id[id_hint], memory_order_relaxed))
			continue;
		memcg->id = id_hint++;
		atomic_store_explicit(&by_id[memcg->id], memcg, memory_order_release);
		return 0;
	}
	return -ENOSPC;
}

/* Registry lock held: from here on walks, growth of the maps and children find it. */
static int bring_online(struct shrink_memcg *memcg)
{
	int r;

	if (!atomic_load(&memcg->parent->online))
		return -ESTALE;
	if (memcg->parent->depth == SHRINK_MEMCG_DEPTH_MAX)
		return -E2BIG;
	memcg->depth = memcg->parent->depth + 1;
	r = shrink_memcg_map_alloc(memcg);
	if (!r)
		r = take_id(memcg);
	if (r < 0)
		return r;
	memcg->serial = ++last_serial;
	shrink_list_add_tail(&memcg->sibling, &memcg->parent->children);
	nr_groups++;
	atomic_store_explicit(&memcg->online, 1, memory_order_release);
	return 0;
}

struct shrink_memcg *shrink_memcg_create(struct shrink_memcg *parent, const char *fmt, ...)
{
	size_t nodes = (size_t)shrink_core_nr_nodes();
	struct shrink_memcg *memcg;
	va_list args;
	int n, r;

	if (!fmt) {
		errno = EINVAL;
		return NULL;
	}
	memcg = shrink_os_alloc(sizeof(*memcg) + nodes * sizeof(memcg->node[0]));
	if (!memcg) {
		errno = ENOMEM;
		return NULL;
	}
	va_start(args, fmt);
	n = vsnprintf(memcg->name, sizeof(memcg->name), fmt, args);
	va_end(args);
	memcg->parent = shrink_memcg_get(parent ? parent : &root);
	atomic_store(&memcg->refs, 1);
	memcg->creator_ref = true;
	shrink_list_init(&memcg->children);
	shrink_list_init(&memcg->sibling);
	r = n <= 0 ? -EINVAL : shrink_core_fork_arm();
	if (!r)
		r = shrink_memcg_account_alloc(memcg);
	if (!r) {
		shrink_registry_lock();
		r = bring_online(memcg);
		shrink_registry_unlock();
	}
	if (r < 0) {
		shrink_memcg_put(memcg);
		errno = -r;
		return NULL;
	}
	return memcg;
}

/* Registry lock held. No walk begins in it, no child comes. */
static int take_offline(struct shrink_memcg *memcg)
{
	if (!atomic_load(&memcg->online))
		return -EALREADY;
	if (!shrink_list_empty(&memcg->children))
		return -EBUSY;
	atomic_store(&memcg->online, 0);
	return 0;
}

/* offline_lock held */
static void tell_hooks(struct shrink_memcg *memcg)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &hooks) {
		struct shrink_memcg_hook *h =
			shrink_list_entry(pos, struct shrink_memcg_hook, link);

		h->offline(h, memcg);
	}
}

/* Registry lock held. The id is given up last, since lists are found by it until then. */
static void take_off_tree(struct shrink_memcg *memcg)
{
	shrink_memcg_walk_forget(memcg);
	shrink_memcg_map_reparent(memcg);
	atomic_store_explicit(&by_id[memcg->id], NULL, memory_order_release);
	if (memcg->id < id_hint)
		id_hint = memcg->id;
	shrink_list_del(&memcg->sibling);
	nr_groups--;
}

/*
 * Order (contract 3.7): no new charge or walk; lists go to the parent, which sets
 * the parent's bits; then deferred work. Until that is done the group is its parent's
 * child, so that the parent stays.
 */
int shrink_memcg_offline(struct shrink_memcg *memcg)
{
	int r;

	if (shrink_memcg_is_root(memcg))
		return -EINVAL;
	if (shrink_context.under_list)
		return -EDEADLK;
	pthread_mutex_lock(&offline_lock);
	shrink_registry_lock();
	r = take_offline(memcg);
	shrink_registry_unlock();
	if (!r) {
		tell_hooks(memcg);
		shrink_registry_lock();
		take_off_tree(memcg);
		shrink_registry_unlock();
	}
	pthread_mutex_unlock(&offline_lock);
	if (!r)
		shrink_memcg_account_offline(memcg);
	return r;
}

int shrink_memcg_destroy(struct shrink_memcg *memcg)
{
	bool drop;
	int r;

	if (!memcg)
		return 0;
	r = shrink_memcg_offline(memcg);
	if (r < 0 && r != -EALREADY)
		return r;
	shrink_registry_lock();
	drop = memcg->creator_ref;
	memcg->creator_ref = false;
	shrink_registry_unlock();
	if (drop)
		shrink_memcg_put(memcg);
	return drop ? 0 : -EALREADY;
}

void shrink_memcg_hook_add(struct shrink_memcg_hook *hook)
{
	pthread_mutex_lock(&offline_lock);
	shrink_list_add_tail(&hook->link, &hooks);
	pthread_mutex_unlock(&offline_lock);
}

void shrink_memcg_fork_prepare(void)
{
	pthread_mutex_lock(&offline_lock);
}

void shrink_memcg_fork_done(void)
{
	pthread_mutex_unlock(&offline_lock);
}

struct shrink_memcg *shrink_memcg_by_id(int id)
{
	struct shrink_memcg *memcg;

	if (id <= 0 || id >= SHRINK_MEMCGS_MAX)
		return id ? NULL : &root;
	shrink_registry_lock();
	memcg = shrink_memcg_get(atomic_load_explicit(&by_id[id], memory_order_relaxed));
	shrink_registry_unlock();
	return memcg;
}
