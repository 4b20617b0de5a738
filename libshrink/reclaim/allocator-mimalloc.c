// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * mimalloc: heaps belong to threads, and a collection reaches the calling thread's and
 * what ended threads left. What other threads own they purge themselves, with its own
 * delay. It tells nothing beforehand: only what came of it is known.
 */
#include <stddef.h>

#include <libshrink/reclaim/allocator.h>

static void (*collect)(bool force);

static bool find(const struct shrink_os_object *owner)
{
	*(void **)&collect = shrink_os_object_symbol(owner, "mi_collect");
	return collect && shrink_os_object_symbol(owner, "mi_version");
}

static void look(struct shrink_allocator_view *ret_view)
{
	ret_view->gives = SHRINK_ALLOCATOR_UNKNOWN;
	ret_view->walks = SHRINK_ALLOCATOR_UNKNOWN;
}

static void release(uint64_t want, uint64_t usec)
{
	(void)want;
	(void)usec;
	collect(true);
}

const struct shrink_allocator shrink_allocator_mimalloc = {
	.name = "mimalloc",
	.find = find,
	.look = look,
	.release = release,
};
