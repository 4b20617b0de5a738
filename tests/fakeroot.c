// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libshrink/os/fd.h>

#include "tests/fakeroot.h"

static char root[64];

static void must(int ok, const char *what)
{
	if (ok)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(99);
}

void fakeroot_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(root, sizeof(root), "%.40s/shrink-XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(root) != NULL, "mkdtemp");
	shrink_os_set_sysroot(root);
}

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fakeroot_end(void)
{
	nftw(root, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	shrink_os_set_sysroot("");
}

const char *fakeroot_path(const char *path)
{
	static char full[4352];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return full;
}

static void make_parents(char *full)
{
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		must(!mkdir(full, 0755) || errno == EEXIST, full);
		*p = '/';
	}
}

void fakeroot_bytes(const char *path, const void *bytes, unsigned long size)
{
	char full[4352];
	FILE *f;

	snprintf(full, sizeof(full), "%s", fakeroot_path(path));
	make_parents(full);
	f = fopen(full, "w");
	must(f != NULL, full);
	must(fwrite(bytes, 1, size, f) == size, full);
	must(!fclose(f), full);
}

void fakeroot_file(const char *path, const char *fmt, ...)
{
	static char text[65536];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	must(n >= 0 && (size_t)n < sizeof(text), "text too long");
	fakeroot_bytes(path, text, (unsigned long)n);
}

void fakeroot_remove(const char *path)
{
	must(!remove(fakeroot_path(path)), path);
}

void fakeroot_fifo(const char *path)
{
	char full[4352];

	snprintf(full, sizeof(full), "%s", fakeroot_path(path));
	make_parents(full);
	must(!mkfifo(full, 0600), full);
}
