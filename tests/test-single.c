// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* One authority per process: this program has a copy linked in, and opens two
 * files of the same plug-in, each with another. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/os/single.h>

#include "tests/harness.h"

struct copy {
	void *handle;
	int (*claim)(void);
	void (*release)(void);
};

static char folder[] = "/tmp/shrink-single-XXXXXX";
static char file[2][128];

static int copy_file(const char *from, const char *to)
{
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	char buf[65536];
	size_t n;
	int r = in && out ? 0 : -1;

	while (!r && (n = fread(buf, 1, sizeof(buf), in)) > 0)
		if (fwrite(buf, 1, n, out) != n)
			r = -1;
	if (in)
		fclose(in);
	if (out && fclose(out))
		r = -1;
	return r;
}

static struct copy load(int i)
{
	struct copy c = {.handle = dlopen(file[i], RTLD_NOW | RTLD_LOCAL)};

	if (!c.handle) {
		printf("Bail out! %s\n", dlerror());
		exit(99);
	}
	*(void **)&c.claim = dlsym(c.handle, "single_copy_claim");
	*(void **)&c.release = dlsym(c.handle, "single_copy_release");
	return c;
}

static void test_two_plugins(void)
{
	struct copy a = load(0), b = load(1);

	CU_ASSERT(a.claim != b.claim);
	ASSERT_INT(a.claim(), 0);
	ASSERT_INT(a.claim(), 0);
	ASSERT_INT(b.claim(), -EEXIST);
	ASSERT_INT(shrink_os_single_claim(), -EEXIST);
	b.release(); /* not the holder: nothing happens */
	ASSERT_INT(b.claim(), -EEXIST);
	a.release();
	ASSERT_INT(b.claim(), 0);
	ASSERT_INT(a.claim(), -EEXIST);
	b.release();
	ASSERT_INT(shrink_os_single_claim(), 0);
	ASSERT_INT(a.claim(), -EEXIST);
	shrink_os_single_release();
	dlclose(b.handle);
	dlclose(a.handle);
}

static void test_loaded_later(void)
{
	struct copy a;

	ASSERT_INT(shrink_os_single_claim(), 0);
	a = load(0);
	ASSERT_INT(a.claim(), -EEXIST);
	dlclose(a.handle);
	shrink_os_single_release();
}

/* A plug-in goes without giving the place up; nobody is locked out for ever. */
static void test_unloaded(void)
{
	struct copy a = load(0);

	ASSERT_INT(a.claim(), 0);
	ASSERT_INT(shrink_os_single_claim(), -EEXIST);
	dlclose(a.handle);
	CU_ASSERT_PTR_NULL(dlopen(file[0], RTLD_NOW | RTLD_NOLOAD));
	ASSERT_INT(shrink_os_single_claim(), 0);
	shrink_os_single_release();
}

static void test_fork(void)
{
	struct copy a = load(0);
	int status = -1;
	pid_t pid;

	ASSERT_INT(a.claim(), 0);
	pid = fork();
	if (!pid)
		_exit(shrink_os_single_claim() == -EEXIST && a.claim() == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	ASSERT_INT(status, 0);
	a.release();
	dlclose(a.handle);
}

static const struct test tests[] = {
	{"one authority: two plug-ins and the program", test_two_plugins},
	{"one authority: a copy that comes later", test_loaded_later},
	{"one authority: the holder is unloaded", test_unloaded},
	{"one authority: kept across fork", test_fork},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	const char *builddir = getenv("top_builddir");
	char module[512];
	int r;

	snprintf(module, sizeof(module), "%s/tests/.libs/single-copy.so",
		 builddir ? builddir : ".");
	if (!mkdtemp(folder)) {
		printf("Bail out! mkdtemp\n");
		return 99;
	}
	for (int i = 0; i < 2; i++) {
		snprintf(file[i], sizeof(file[i]), "%s/copy%d.so", folder, i);
		if (copy_file(module, file[i]) < 0) {
			printf("Bail out! cannot copy %s\n", module);
			return 99;
		}
	}
	r = test_main(argc, argv, "single", tests);
	unlink(file[0]);
	unlink(file[1]);
	rmdir(folder);
	return r;
}
