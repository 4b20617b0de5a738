/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Text files of the kernel's, line by line: for start-up, where files are too
 * long for one buffer (mountinfo, maps). */
#ifndef SHRINK_OS_LINES_H
#define SHRINK_OS_LINES_H

/* A line longer than this (an overlay mount with hundreds of layers) is skipped. */
#define SHRINK_LINE_MAX 8192

/* Calls @fn with each line of the file below the sysroot, without its newline and
 * free to be cut up, until it returns non-zero. Returns that, 0 at the end, or
 * the negative errno of opening or reading. Stack only. */
int shrink_os_lines(const char *path, int (*fn)(void *arg, char *line), void *arg);

/* The same of a file that is open, by position; longer lines than some 4000 bytes are
 * skipped. No allocation; any thread. */
int shrink_os_lines_at(int fd, int (*fn)(void *arg, char *line), void *arg);

#endif /* SHRINK_OS_LINES_H */
