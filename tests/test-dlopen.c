// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The library as a plug-in brings it: opened at run time, closed while its threads
 * run, opened again. This program is not linked with it. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include "tests/harness.h"

static atomic_ulong scans;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 100000;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	atomic_fetch_add(&scans, 1);
	return sc->nr_to_scan;
}

static void *open_library(int mode)
{
	const char *build = getenv("top_builddir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/.libs/libshrink.so", build ? build : ".");
	return access(path, R_OK) ? NULL : dlopen(path, mode);
}

/* A function of the library; the program's own type for it. */
#define FUNCTION(handle, name) ((__typeof__(&name))(uintptr_t)dlsym(handle, #name))

static int scanned_more(unsigned long than)
{
	struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < 5000 && atomic_load(&scans) <= than; i++)
		nanosleep(&ms, NULL);
	return atomic_load(&scans) > than;
}

static void press(void *lib)
{
	unsigned long before = atomic_load(&scans);

	ASSERT_INT(FUNCTION(lib, shrink_pressure)(SHRINK_LEVEL_LOW, 1000000), 0);
	CU_ASSERT(scanned_more(before));
}

static struct shrinker *register_one(void *lib)
{
	struct shrinker *s = FUNCTION(lib, shrinker_alloc)(0, "dlopen");

	CU_ASSERT_FATAL(s != NULL);
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = 100;
	ASSERT_INT(FUNCTION(lib, shrinker_register)(s), 0);
	return s;
}

static void closed_while_it_runs(void)
{
	void *lib = open_library(RTLD_NOW | RTLD_LOCAL), *again;
	struct shrinker *s;

	if (!lib)
		SKIP("no shared library in this build");
	ASSERT_INT(FUNCTION(lib, shrink_start)(0), 0);
	s = register_one(lib);
	press(lib);
	ASSERT_INT(dlclose(lib), 0);
	again = open_library(RTLD_NOW | RTLD_LOCAL);
	CU_ASSERT_FATAL(again == lib); /* it has stayed: its threads run in it */
	ASSERT_INT(FUNCTION(again, shrink_start)(0), -EALREADY);
	press(again);
	ASSERT_INT(FUNCTION(again, shrink_stop)(), 0);
	FUNCTION(again, shrinker_free)(s);
	ASSERT_INT(dlclose(again), 0);
}

/* Opened again and again: nothing piles up that would make it fail. */
static void opened_many_times(void)
{
	for (int i = 0; i < 20; i++) {
		void *lib = open_library(RTLD_LAZY | RTLD_LOCAL);
		struct shrinker *s;

		if (!lib)
			SKIP("no shared library in this build");
		ASSERT_INT(FUNCTION(lib, shrink_start)(i % 2 ? SHRINK_START_SIMULATED : 0), 0);
		s = register_one(lib);
		CU_ASSERT(FUNCTION(lib, shrink_slab)(SHRINK_GFP_ALL, 0, NULL, 0) > 0);
		FUNCTION(lib, shrinker_free)(s);
		ASSERT_INT(FUNCTION(lib, shrink_stop)(), 0);
		ASSERT_INT(dlclose(lib), 0);
	}
}

/* Left running: exit() runs the library's handlers in a library nobody holds. */
static void closed_and_left_running(void)
{
	void *lib = open_library(RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		SKIP("no shared library in this build");
	ASSERT_INT(FUNCTION(lib, shrink_start)(0), 0);
	register_one(lib);
	press(lib);
	ASSERT_INT(dlclose(lib), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"dlopen: closed while its threads run", closed_while_it_runs},
		{"dlopen: opened, started, stopped and closed many times", opened_many_times},
		{"dlopen: closed and left running at exit", closed_and_left_running},
		{NULL, NULL},
	};

	return test_main(argc, argv, "dlopen", tests);
}
