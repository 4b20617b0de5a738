/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The file by which a service manager tells of pressure: what it is decides how it
 * is opened and waited for.
 *
 *	regular file	the kernel's PSI: EPOLLPRI, never read
 *	FIFO		EPOLLIN, what comes is read and thrown away
 *	socket		AF_UNIX, stream, in the file system: connected, then as a FIFO
 */
#ifndef SHRINK_OS_WATCH_H
#define SHRINK_OS_WATCH_H

#include <stddef.h>

enum shrink_watch_kind {
	SHRINK_WATCH_FILE,
	SHRINK_WATCH_FIFO,
	SHRINK_WATCH_SOCKET
};

/* Opens the absolute @path below the sysroot, never blocking, and writes @size bytes
 * of @data at once (0 = nothing is written, and a regular file is opened for
 * reading only). Returns a descriptor; a negative errno; -EBADF: none of the three;
 * -EPROTO: it took only a part. */
int shrink_os_watch_open(const char *path, const void *data, size_t size,
			 enum shrink_watch_kind *ret_kind);

/* Reads what is queued and throws it away, as much as a fair turn allows; the rest
 * keeps the descriptor ready. The first @size bytes of it are copied to @ret_first.
 * Returns bytes; -EAGAIN: there was nothing; -EPIPE: the other side has closed;
 * another negative errno. */
long shrink_os_watch_discard(int fd, void *ret_first, size_t size);

/* A variable of the environment; NULL also in a program that runs with more rights
 * than its user. Start only. */
const char *shrink_os_getenv(const char *name);

#endif /* SHRINK_OS_WATCH_H */
