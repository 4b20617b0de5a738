/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Whole messages from a service of this machine. */
#ifndef SHRINK_OS_SEQPACKET_H
#define SHRINK_OS_SEQPACKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Connects to the socket at @path, below the sysroot; does not wait. A descriptor, or a
 * negative errno: -ENOENT, -ECONNREFUSED: nobody there; -EACCES; -EAGAIN: its queue is
 * full; -EOWNERDEAD: who listens is neither root nor of our own user. */
int shrink_os_seqpacket_connect(const char *path);

/* One message, cut to @size. Its length; 0: it is over; -EAGAIN: none is there after
 * @wait_usec; or another negative errno. */
ssize_t shrink_os_seqpacket_receive(int fd, void *buf, size_t size, uint64_t wait_usec);

#endif /* SHRINK_OS_SEQPACKET_H */
