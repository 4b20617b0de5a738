// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

#include <libshrink/base/bits.h>
#include <libshrink/reclaim/allocator.h>

static const struct shrink_allocator *const known[] = {
	&shrink_allocator_jemalloc,
	&shrink_allocator_tcmalloc,
	&shrink_allocator_mimalloc,
	&shrink_allocator_glibc,
};

void *shrink_allocator_symbol(const struct shrink_allocator_owner *owner, const char *name)
{
	void *symbol = dlsym(owner->handle, name);
	Dl_info info;

	return symbol && dladdr(symbol, &info) && info.dli_fbase == owner->base ? symbol : NULL;
}

static const struct shrink_allocator *ask_all(const struct shrink_allocator_owner *owner)
{
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(known); i++)
		if (known[i]->find(owner))
			return known[i];
	return NULL;
}

const struct shrink_allocator *shrink_allocator_find(const char **ret_path)
{
	static char path[256];
	const struct shrink_allocator *found;
	struct shrink_allocator_owner owner;
	void *function = dlsym(RTLD_DEFAULT, "malloc"), *handle;
	Dl_info info;

	path[0] = '\0';
	*ret_path = path;
	if (!function || !dladdr(function, &info) || !info.dli_fbase)
		return NULL;
	if (info.dli_fname)
		snprintf(path, sizeof(path), "%s", info.dli_fname);
	/* asked by itself, so that another's symbol of the same name cannot hide its own; the
	 * program is no object that can be opened, but comes first everywhere */
	handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	owner = (struct shrink_allocator_owner){
		.handle = handle ? handle : RTLD_DEFAULT,
		.base = info.dli_fbase,
	};
	found = ask_all(&owner);
	if (handle)
		dlclose(handle);
	return found;
}
