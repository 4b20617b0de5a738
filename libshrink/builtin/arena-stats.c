// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What an arena holds, and what it can give back. */
#include <errno.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/builtin/arena.h>

static uint64_t pages(struct shrink_arena *arena, const char *format)
{
	return (uint64_t)shrink_mallctl_number(arena->je->mallctl, format, arena->index, 0) *
	       arena->je->page;
}

uint64_t shrink_arena_purge(struct shrink_arena *arena)
{
	uint64_t before, after;

	shrink_mallctl_refresh(arena->je->mallctl);
	before = pages(arena, "stats.arenas.%u.pdirty") + pages(arena, "stats.arenas.%u.pmuzzy");
	shrink_mallctl_purge(arena->je->mallctl, arena->index);
	shrink_mallctl_refresh(arena->je->mallctl);
	after = pages(arena, "stats.arenas.%u.pdirty") + pages(arena, "stats.arenas.%u.pmuzzy");
	before = shrink_sub_u64(before, after);
	atomic_fetch_add_explicit(&arena->purged, before, memory_order_relaxed);
	return before;
}

int shrink_arena_stats(struct shrink_arena *arena, struct shrink_arena_stats *ret_stats,
		       size_t size)
{
	struct shrink_arena_stats st;
	size_t small;

	if (!arena || !ret_stats || !size)
		return -EINVAL;
	shrink_mallctl_refresh(arena->je->mallctl);
	small = shrink_mallctl_number(arena->je->mallctl, "stats.arenas.%u.small.allocated",
				      arena->index, SIZE_MAX);
	if (small == SIZE_MAX)
		return -ENOTSUP;
	st = (struct shrink_arena_stats){
		.allocated = small + shrink_mallctl_number(arena->je->mallctl,
							   "stats.arenas.%u.large.allocated",
							   arena->index, 0),
		.active = pages(arena, "stats.arenas.%u.pactive"),
		.dirty = pages(arena, "stats.arenas.%u.pdirty"),
		.muzzy = pages(arena, "stats.arenas.%u.pmuzzy"),
		.grown = atomic_load_explicit(&arena->grown, memory_order_relaxed),
		.purged = atomic_load_explicit(&arena->purged, memory_order_relaxed),
	};
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &st, size < sizeof(st) ? size : sizeof(st));
	return 0;
}
