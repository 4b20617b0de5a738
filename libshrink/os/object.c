// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#include <libshrink/os/object.h>

int shrink_os_object_of(const char *symbol, struct shrink_os_object *ret_object)
{
	void *address = dlsym(RTLD_DEFAULT, symbol);
	Dl_info info;

	if (!address || !dladdr(address, &info) || !info.dli_fbase)
		return -ENOENT;
	ret_object->base = info.dli_fbase;
	snprintf(ret_object->path, sizeof(ret_object->path), "%s",
		 info.dli_fname ? info.dli_fname : "");
	/* the program is nothing that could be opened, but comes first everywhere */
	ret_object->handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	return 0;
}

void shrink_os_object_close(struct shrink_os_object *object)
{
	if (object->handle)
		dlclose(object->handle);
	object->handle = NULL;
}

void *shrink_os_object_symbol(const struct shrink_os_object *object, const char *name)
{
	void *symbol = dlsym(object->handle ? object->handle : RTLD_DEFAULT, name);
	Dl_info info;

	return symbol && dladdr(symbol, &info) && info.dli_fbase == object->base ? symbol : NULL;
}
