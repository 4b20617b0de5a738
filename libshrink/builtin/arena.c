// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/map.h>
#include <libshrink/os/numa.h>
#include <libshrink/builtin/arena.h>

int shrink_arena_supported(void)
{
	return shrink_je() ? 0 : -ENOTSUP;
}

static int check(const struct shrink_arena_options *o)
{
	void *page;
	int r;

	if (o->flags & ~SHRINK_ARENA_BIND)
		return -EINVAL;
	if (!(o->flags & SHRINK_ARENA_BIND))
		return 0;
	if (o->nid < 0 || o->nid >= shrink_os_numa_nodes())
		return -EINVAL;
	/* does the kernel take it? asked here, for the hooks have nobody to tell */
	page = shrink_os_map_reserve(shrink_je()->page, SHRINK_OS_PAGES_SMALL);
	if (!page)
		return -ENOMEM;
	r = shrink_os_map_bind(page, shrink_je()->page, o->nid);
	shrink_os_map_unreserve(page, shrink_je()->page);
	return r;
}

static int make(struct shrink_arena *arena)
{
	struct je_hooks *hooks = &arena->hooks;
	size_t size = sizeof(arena->index);

	shrink_arena_hook(arena);
	return arena->je->mallctl("arenas.create", &arena->index, &size, &hooks, sizeof(hooks))
		       ? -ENOSPC
		       : 0;
}

static struct shrink_arena *create(const struct shrink_arena_options *o, int *ret)
{
	struct shrink_arena *arena = shrink_os_alloc(sizeof(*arena));

	if (!arena) {
		*ret = -ENOMEM;
		return NULL;
	}
	memset(arena, 0, sizeof(*arena));
	arena->je = shrink_je();
	arena->nid = o->flags & SHRINK_ARENA_BIND ? o->nid : -1;
	*ret = make(arena);
	if (*ret < 0) {
		shrink_os_free(arena);
		return NULL;
	}
	if (o->memcg)
		arena->memcg = shrink_memcg_get(o->memcg);
	return arena;
}

struct shrink_arena *shrink_arena_create(const struct shrink_arena_options *options, size_t size)
{
	struct shrink_arena_options o = {0};
	struct shrink_arena *arena = NULL;
	int r = shrink_arena_supported();

	if (options)
		memcpy(&o, options, size < sizeof(o) ? size : sizeof(o));
	if (!r)
		r = check(&o);
	if (!r)
		arena = create(&o, &r);
	if (r)
		errno = -r;
	return arena;
}

void shrink_arena_destroy(struct shrink_arena *arena)
{
	char name[32];

	if (!arena)
		return;
	snprintf(name, sizeof(name), "arena.%u.destroy", arena->index);
	arena->je->mallctl(name, NULL, NULL, NULL, 0);
	/* of the objects that went with it */
	if (arena->memcg)
		shrink_memcg_uncharge(arena->memcg, atomic_load(&arena->charged));
	shrink_memcg_put(arena->memcg);
	shrink_os_free(arena);
}

static int flags(const struct shrink_arena *arena)
{
	return JE_ARENA(arena->index) | JE_TCACHE_NONE;
}

void *shrink_arena_alloc(struct shrink_arena *arena, size_t size)
{
	void *object;
	size_t usable;
	int r;

	if (!size) {
		errno = EINVAL;
		return NULL;
	}
	object = arena->je->mallocx(size, flags(arena));
	if (!object || !arena->memcg) {
		if (!object)
			errno = ENOMEM;
		return object;
	}
	/* nothing of it is touched yet, so charging after is not too late */
	usable = shrink_arena_usable(arena, object);
	r = shrink_memcg_charge(arena->memcg, usable, 0);
	if (r < 0) {
		arena->je->dallocx(object, flags(arena));
		errno = -r;
		return NULL;
	}
	atomic_fetch_add_explicit(&arena->charged, usable, memory_order_relaxed);
	return object;
}

void shrink_arena_free(struct shrink_arena *arena, void *object)
{
	size_t usable;

	if (!object)
		return;
	if (arena->memcg) {
		usable = shrink_arena_usable(arena, object);
		atomic_fetch_sub_explicit(&arena->charged, usable, memory_order_relaxed);
		shrink_memcg_uncharge(arena->memcg, usable);
	}
	arena->je->dallocx(object, flags(arena));
}

size_t shrink_arena_usable(const struct shrink_arena *arena, const void *object)
{
	return arena->je->sallocx(object, 0);
}
