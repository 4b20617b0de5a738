// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include <libshrink/os/library.h>

int shrink_os_library(const char *soname, const char *const *names, int nr, void *ret_functions)
{
	/* by name alone: the loader's own path decides, also in setuid programs */
	void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	char *out = ret_functions;

	if (!handle)
		return -ENOENT;
	for (int i = 0; i < nr; i++) {
		void *function = dlsym(handle, names[i]);

		if (!function)
			return -ENOSYS;
		memcpy(out + (size_t)i * sizeof(function), &function, sizeof(function));
	}
	return 0;
}
