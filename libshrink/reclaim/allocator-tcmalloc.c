// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * gperftools' tcmalloc: free spans wait in its page heap, which gives back as many bytes
 * as it is asked for; it does so under the lock of all allocations of pages, so in small
 * pieces.
 */
#include <stddef.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/allocator.h>

#define PIECE (4ULL << 20)

static int (*get_number)(const char *, size_t *);
static void (*release_some)(size_t);

static bool find(const struct shrink_os_object *owner)
{
	*(void **)&get_number =
		shrink_os_object_symbol(owner, "MallocExtension_GetNumericProperty");
	*(void **)&release_some = shrink_os_object_symbol(owner, "MallocExtension_ReleaseToSystem");
	return get_number && release_some;
}

static uint64_t page_heap_free(void)
{
	size_t value;

	return get_number("tcmalloc.pageheap_free_bytes", &value) ? value
								  : SHRINK_ALLOCATOR_UNKNOWN;
}

static void look(struct shrink_allocator_view *ret_view)
{
	ret_view->gives = page_heap_free();
	ret_view->walks = ret_view->gives;
}

static void release(uint64_t want, uint64_t usec)
{
	uint64_t end = shrink_os_clock_real() + usec * NSEC_PER_USEC;
	uint64_t left = shrink_min_u64(want, page_heap_free());

	while (left) {
		uint64_t piece = shrink_min_u64(left, PIECE);

		release_some(piece);
		left -= piece;
		if (usec && shrink_os_clock_real() >= end)
			return;
	}
}

const struct shrink_allocator shrink_allocator_tcmalloc = {
	.name = "tcmalloc",
	.find = find,
	.look = look,
	.release = release,
};
