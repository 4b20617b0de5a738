// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* glibc: one call for everything, under each arena's lock in turn, all or nothing. */
#include <malloc.h>

#include <libshrink/reclaim/allocator.h>

static bool find(const struct shrink_os_object *owner)
{
	return shrink_os_object_symbol(owner, "malloc_trim") &&
	       shrink_os_object_symbol(owner, "gnu_get_libc_version");
}

/* What is free in the heap bounds what a trim can give back. */
static void look(struct shrink_allocator_view *ret_view)
{
	struct mallinfo2 info = mallinfo2();

	ret_view->gives = info.fordblks;
	ret_view->walks = info.arena;
}

static void release(uint64_t want, uint64_t usec)
{
	(void)want;
	(void)usec;
	malloc_trim(0);
}

const struct shrink_allocator shrink_allocator_glibc = {
	.name = "glibc",
	.find = find,
	.look = look,
	.release = release,
};
