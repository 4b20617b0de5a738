// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <pthread.h>
#include <stdio.h>

#include <libshrink/builtin/jemalloc.h>

static struct je je;
static bool found;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find_calls(const struct shrink_os_object *object)
{
	je.mallctl = shrink_mallctl_of(object);
	/* ISO C has no cast from object to function pointer; POSIX has dlsym */
	*(void **)&je.mallocx = shrink_os_object_symbol(object, "mallocx");
	*(void **)&je.dallocx = shrink_os_object_symbol(object, "dallocx");
	*(void **)&je.sallocx = shrink_os_object_symbol(object, "sallocx");
	return je.mallctl && je.mallocx && je.dallocx && je.sallocx;
}

/* Arenas with hooks are made by "arenas.create" from 5.0 on. */
static bool is_new_enough(void)
{
	struct je_hooks *defaults;
	size_t size = sizeof(defaults);
	const char *version;
	unsigned int major = 0;

	if (je.mallctl("arena.0.extent_hooks", &defaults, &size, NULL, 0))
		return false;
	je.defaults = *defaults;
	size = sizeof(version);
	if (je.mallctl("version", &version, &size, NULL, 0) || sscanf(version, "%u.", &major) != 1)
		return false;
	je.page = shrink_mallctl_number(je.mallctl, "arenas.page", 0, 4096);
	return major >= 5;
}

static void look(void)
{
	struct shrink_os_object object;

	if (shrink_os_object_of("mallocx", &object) < 0)
		return;
	found = find_calls(&object) && is_new_enough();
	shrink_os_object_close(&object);
}

const struct je *shrink_je(void)
{
	pthread_once(&once, look);
	return found ? &je : NULL;
}
