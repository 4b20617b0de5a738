/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* A folder that stands for /, with files of the test's own making. */
#ifndef TESTS_FAKEROOT_H
#define TESTS_FAKEROOT_H

/* Makes an empty one and has the library read below it. */
void fakeroot_begin(void);
/* Removes it; the library reads the real / again. */
void fakeroot_end(void);

/* Writes @path (parents are made, old content goes) with printf'ed text. */
void fakeroot_file(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fakeroot_bytes(const char *path, const void *bytes, unsigned long size);
void fakeroot_remove(const char *path);
void fakeroot_fifo(const char *path);
/* @path with the folder in front, in a static buffer. */
const char *fakeroot_path(const char *path);

#endif /* TESTS_FAKEROOT_H */
