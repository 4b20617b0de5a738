// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stddef.h>

#include <libshrink/base/bits.h>
#include <libshrink/reclaim/allocator.h>

static const struct shrink_allocator *const known[] = {
	&shrink_allocator_jemalloc,
	&shrink_allocator_tcmalloc,
	&shrink_allocator_mimalloc,
	&shrink_allocator_glibc,
};

const struct shrink_allocator *shrink_allocator_find(const char **ret_path)
{
	static struct shrink_os_object owner;
	const struct shrink_allocator *found = NULL;

	*ret_path = "";
	if (shrink_os_object_of("malloc", &owner) < 0)
		return NULL;
	*ret_path = owner.path;
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(known) && !found; i++)
		if (known[i]->find(&owner))
			found = known[i];
	shrink_os_object_close(&owner);
	return found;
}
