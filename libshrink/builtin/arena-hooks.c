// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The slow path of allocation: jemalloc takes an extent from the system. Called under
 * locks of the arena, so nothing here allocates from it or waits: growth is announced
 * before the pages are touched, and the extent bound to its node.
 */
#include <libshrink/core/growth.h>
#include <libshrink/os/map.h>
#include <libshrink/builtin/arena.h>

static struct shrink_arena *of(struct je_hooks *hooks)
{
	return (struct shrink_arena *)hooks;
}

static void *take(struct je_hooks *hooks, void *at, size_t size, size_t alignment, bool *zero,
		  bool *commit, unsigned int index)
{
	struct shrink_arena *arena = of(hooks);
	const struct je_hooks *defaults = &arena->je->defaults;
	void *extent;

	shrink_growth(size);
	extent = defaults->alloc((struct je_hooks *)defaults, at, size, alignment, zero, commit,
				 index);
	if (!extent)
		return NULL;
	/* that the node exists was found out when the arena was made */
	if (arena->nid >= 0)
		shrink_os_map_bind(extent, size, arena->nid);
	atomic_fetch_add_explicit(&arena->grown, size, memory_order_relaxed);
	return extent;
}

static bool commit(struct je_hooks *hooks, void *addr, size_t size, size_t offset, size_t length,
		   unsigned int index)
{
	const struct je_hooks *defaults = &of(hooks)->je->defaults;

	shrink_growth(length);
	return !defaults->commit ||
	       defaults->commit((struct je_hooks *)defaults, addr, size, offset, length, index);
}

/* The other hooks look at their arguments only. */
void shrink_arena_hook(struct shrink_arena *arena)
{
	arena->hooks = arena->je->defaults;
	arena->hooks.alloc = take;
	arena->hooks.commit = commit;
}
