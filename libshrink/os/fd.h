/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Descriptors. Every one the library opens goes through here: close-on-exec, and
 * remembered with device and inode, so that the child of a fork closes only
 * those it can prove are ours (G10). Reads go by position and never allocate.
 */
#ifndef SHRINK_OS_FD_H
#define SHRINK_OS_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The folder that stands for / (tests); "" = the real one. Copied. */
void shrink_os_set_sysroot(const char *path);
/* Puts sysroot and @path together; -ENAMETOOLONG. */
int shrink_os_path(char *buf, size_t size, const char *path);

/* All return a descriptor, or a negative errno. @path is below the sysroot. */
int shrink_os_open(const char *path, int flags);
/* For reading, and read once: the kernel gets its buffer for such a file at the first
 * read, and charges the reader's group for it. A thread whose charge goes beyond
 * memory.high is put to sleep for up to two seconds; so it is not to be the one that
 * reclaims (G6). */
int shrink_os_open_warm(const char *path);
/* shrink_os_open() with a path as it is. */
int shrink_os_open_real(const char *path, int flags);
/* AF_UNIX, stream, not connected, non-blocking. */
int shrink_os_socket_unix(void);
int shrink_os_eventfd(int semaphore_initial);
int shrink_os_epoll(void);
/* Remembers what another file of this folder has opened; -1 stands for errno. */
int shrink_os_fd_own(int fd);
/* Forgets one that somebody else will close. */
void shrink_os_fd_disown(int fd);
/* Closes and forgets; -1 is fine. */
void shrink_os_close(int fd);

/* Bytes read from @offset 0 into @buf, NUL-terminated; a negative errno. A file
 * longer than @size - 1 is cut. */
ssize_t shrink_os_pread(int fd, char *buf, size_t size);
/* The same from @offset on and without the NUL: for files too long for one buffer,
 * read from one end to the other. 0: the end. */
ssize_t shrink_os_pread_at(int fd, char *buf, size_t size, size_t offset);
/* A file of one number, or the word "max" (UINT64_MAX). */
int shrink_os_pread_u64(int fd, uint64_t *ret_value);
/* Writes all of @text at once; negative errno. */
int shrink_os_write(int fd, const char *text, size_t len);

/* Eventfds: make readable; take what it holds (0 = nothing). Never block. */
void shrink_os_notify(int fd);
uint64_t shrink_os_drain(int fd);

/* Waiting for many. @events as for epoll, @data comes back with them; a descriptor
 * that is watched already is fine. wait: number ready (0: @usec have passed,
 * UINT64_MAX = no limit, or a signal came), or a negative errno. */
struct epoll_event;
int shrink_os_epoll_add(int epoll, int fd, uint32_t events, uint64_t data);
int shrink_os_epoll_wait(int epoll, struct epoll_event *events, int max, uint64_t usec);

/* In the child of fork(): closes every descriptor of ours that still is. */
void shrink_os_fd_fork_child(void);
/* Descriptors open now, for tests. */
unsigned int shrink_os_fd_count(void);

#endif /* SHRINK_OS_FD_H */
