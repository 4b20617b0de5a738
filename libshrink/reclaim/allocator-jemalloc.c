// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * jemalloc: keeps freed pages as dirty, then muzzy, and lets them decay; a purge takes
 * them at once, arena by arena, each under its own lock only. What was freed on this
 * thread may still be in its cache, which is flushed first.
 */
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/allocator.h>

/* MALLCTL_ARENAS_ALL of its header, part of its interface since 5.0. */
#define ARENAS_ALL 4096

static int (*ctl)(const char *, void *, size_t *, void *, size_t);

static bool find(const struct shrink_os_object *owner)
{
	/* ISO C has no cast from object to function pointer; POSIX has dlsym */
	*(void **)&ctl = shrink_os_object_symbol(owner, "mallctl");
	return ctl != NULL;
}

/* A size_t of one arena, or @otherwise where this build has no statistics. */
static size_t number(const char *format, unsigned int arena, size_t otherwise)
{
	size_t value, size = sizeof(value);
	char name[64];

	snprintf(name, sizeof(name), format, arena);
	return ctl(name, &value, &size, NULL, 0) ? otherwise : value;
}

static void look(struct shrink_allocator_view *ret_view)
{
	size_t page = number("arenas.page", 0, 4096), dirty, muzzy;
	uint64_t epoch = 1;

	ctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	ctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	dirty = number("stats.arenas.%u.pdirty", ARENAS_ALL, SIZE_MAX);
	muzzy = number("stats.arenas.%u.pmuzzy", ARENAS_ALL, 0);
	ret_view->gives =
		dirty == SIZE_MAX ? SHRINK_ALLOCATOR_UNKNOWN : ((uint64_t)dirty + muzzy) * page;
	ret_view->walks = ret_view->gives;
}

static unsigned int nr_arenas(void)
{
	unsigned int n = 0;
	size_t size = sizeof(n);

	return ctl("arenas.narenas", &n, &size, NULL, 0) ? 0 : n;
}

static void release(uint64_t want, uint64_t usec)
{
	uint64_t end = shrink_os_clock_real() + usec * NSEC_PER_USEC;
	unsigned int n = nr_arenas();
	char name[32];

	(void)want; /* a purge of less than an arena there is not */
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "arena.%u.purge", i);
		/* fails for an arena that is not in use */
		ctl(name, NULL, NULL, NULL, 0);
		if (usec && shrink_os_clock_real() >= end)
			return;
	}
}

const struct shrink_allocator shrink_allocator_jemalloc = {
	.name = "jemalloc",
	.find = find,
	.look = look,
	.release = release,
};
