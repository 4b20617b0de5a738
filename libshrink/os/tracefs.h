/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The kernel's descriptions of its tracepoints. Where nobody has mounted tracefs it is
 * mounted for the reader alone, at no place: a descriptor leads into it, and with that it
 * goes. Needs root, or a tracefs somebody has opened to more.
 */
#ifndef SHRINK_OS_TRACEFS_H
#define SHRINK_OS_TRACEFS_H

#include <stddef.h>
#include <sys/types.h>

/* A descriptor of its top folder, for shrink_os_tracefs_read(), or a negative errno:
 * -EACCES, -EPERM: not for us; -ENOENT: the kernel has none. */
int shrink_os_tracefs_open(void);

/* The text of a file below it ("events/vmscan/mm_shrink_slab_start/format"), cut where it
 * does not fit, with a NUL. Its length, or a negative errno: -ENOENT: no such event. */
ssize_t shrink_os_tracefs_read(int tracefs, const char *path, char *buf, size_t size);

#endif /* SHRINK_OS_TRACEFS_H */
