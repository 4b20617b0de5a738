// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What an arena holds, and what it can give back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/builtin/arena.h>

/* jemalloc adds its threads' counters up at each epoch only. */
static void refresh(const struct je *je)
{
	uint64_t epoch = 1;

	je->mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
}

static uint64_t pages(struct shrink_arena *arena, const char *format)
{
	return (uint64_t)shrink_je_number(arena->je, format, arena->index, 0) * arena->je->page;
}

uint64_t shrink_arena_purge(struct shrink_arena *arena)
{
	uint64_t before, after;
	char name[32];

	refresh(arena->je);
	before = pages(arena, "stats.arenas.%u.pdirty") + pages(arena, "stats.arenas.%u.pmuzzy");
	snprintf(name, sizeof(name), "arena.%u.purge", arena->index);
	arena->je->mallctl(name, NULL, NULL, NULL, 0);
	refresh(arena->je);
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
	refresh(arena->je);
	small = shrink_je_number(arena->je, "stats.arenas.%u.small.allocated", arena->index,
				 SIZE_MAX);
	if (small == SIZE_MAX)
		return -ENOTSUP;
	st = (struct shrink_arena_stats){
		.allocated = small + shrink_je_number(arena->je, "stats.arenas.%u.large.allocated",
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
