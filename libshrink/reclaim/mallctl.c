// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdint.h>
#include <stdio.h>

#include <libshrink/reclaim/mallctl.h>

shrink_mallctl_fn *shrink_mallctl_of(const struct shrink_os_object *object)
{
	shrink_mallctl_fn *ctl;

	/* ISO C has no cast from object to function pointer; POSIX has dlsym */
	*(void **)&ctl = shrink_os_object_symbol(object, "mallctl");
	return ctl;
}

size_t shrink_mallctl_number(shrink_mallctl_fn *ctl, const char *format, unsigned int i,
			     size_t otherwise)
{
	size_t value, size = sizeof(value);
	char name[64];

	snprintf(name, sizeof(name), format, i);
	return ctl(name, &value, &size, NULL, 0) ? otherwise : value;
}

void shrink_mallctl_refresh(shrink_mallctl_fn *ctl)
{
	uint64_t epoch = 1;

	ctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
}

void shrink_mallctl_purge(shrink_mallctl_fn *ctl, unsigned int i)
{
	char name[32];

	snprintf(name, sizeof(name), "arena.%u.purge", i);
	ctl(name, NULL, NULL, NULL, 0);
}
