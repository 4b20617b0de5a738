// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * jemalloc: keeps freed pages as dirty, then muzzy, and lets them decay; a purge takes
 * them at once, arena by arena, each under its own lock only. What was freed on this
 * thread may still be in its cache, which is flushed first.
 */
#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/allocator.h>
#include <libshrink/reclaim/mallctl.h>

static shrink_mallctl_fn *ctl;

static bool find(const struct shrink_os_object *owner)
{
	ctl = shrink_mallctl_of(owner);
	return ctl != NULL;
}

static void look(struct shrink_allocator_view *ret_view)
{
	size_t page = shrink_mallctl_number(ctl, "arenas.page", 0, 4096), dirty, muzzy;

	ctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	shrink_mallctl_refresh(ctl);
	dirty = shrink_mallctl_number(ctl, "stats.arenas.%u.pdirty", SHRINK_MALLCTL_ARENAS_ALL,
				      SIZE_MAX);
	muzzy = shrink_mallctl_number(ctl, "stats.arenas.%u.pmuzzy", SHRINK_MALLCTL_ARENAS_ALL, 0);
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

	(void)want; /* a purge of less than an arena there is not */
	for (unsigned int i = 0; i < n; i++) {
		shrink_mallctl_purge(ctl, i);
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
