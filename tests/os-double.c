// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/os-double.h"

#define DOUBLES_MAX 64

/* An eventfd that is waited for in place of a plain file. */
struct stand_in {
	int fd, file; /* -1 = free */
	uint64_t data;
	uint32_t events; /* what it says when it is ready */
};

static struct stand_in doubles[DOUBLES_MAX];
static int nr_doubles;
static unsigned long calls, fail_at;
static bool fail_on;
static const char *failed = "";
static int bad_fd = -1, bad_fd_err;
static const char *bad_tail;
static int bad_tail_err;

unsigned long os_fail_nth(unsigned long nth, bool for_good)
{
	unsigned long made = calls;

	calls = 0;
	fail_at = nth;
	fail_on = for_good;
	failed = "";
	return made;
}

const char *os_failed(void)
{
	return failed;
}

void os_fail_reads(int fd, int err)
{
	bad_fd = err ? fd : -1;
	bad_fd_err = err;
}

void os_fail_open(const char *tail, int err)
{
	bad_tail = tail;
	bad_tail_err = err;
}

/* Counts the call; true: it is to fail, errno is set. */
static bool fails(const char *name, int err)
{
	calls++;
	if (!fail_at || (fail_on ? calls < fail_at : calls != fail_at))
		return false;
	failed = name;
	errno = err;
	return true;
}

static bool ends_in(const char *text, const char *tail)
{
	size_t a = strlen(text), b = strlen(tail);

	return a >= b && !strcmp(text + a - b, tail);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (bad_tail && ends_in(path, bad_tail)) {
		errno = bad_tail_err;
		return -1;
	}
	return fails("open", EMFILE) ? -1 : __real_open(path, flags, mode);
}

ssize_t __real_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset)
{
	if (fd == bad_fd) {
		errno = bad_fd_err;
		return -1;
	}
	return fails("pread", EIO) ? -1 : __real_pread(fd, buf, size, offset);
}

/* The plain ones: what may fail does, with what they fail with in practice. */
#define WRAP(type, name, err, parameters, ...)                                                     \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails(#name, err) ? -1 : __real_##name(__VA_ARGS__);                        \
	}
WRAP(ssize_t, read, EIO, (int fd, void *buf, size_t size), fd, buf, size)
WRAP(ssize_t, send, EPIPE, (int fd, const void *buf, size_t size, int flags), fd, buf, size, flags)
WRAP(int, connect, ECONNREFUSED, (int fd, const struct sockaddr *to, socklen_t size), fd, to, size)
WRAP(int, socket, ENFILE, (int domain, int type, int protocol), domain, type, protocol)
WRAP(int, eventfd, EMFILE, (unsigned int initial, int flags), initial, flags)
WRAP(int, epoll_create1, EMFILE, (int flags), flags)
WRAP(int, timerfd_create, EMFILE, (int clock, int flags), clock, flags)
WRAP(int, fstat, EIO, (int fd, struct stat *st), fd, st)

/* The kernel takes what is written to its files, and they go on saying what they say. */
static bool is_plain(int fd)
{
	struct stat st;

	return !__real_fstat(fd, &st) && S_ISREG(st.st_mode);
}

ssize_t __real_write(int fd, const void *buf, size_t size);
ssize_t __wrap_write(int fd, const void *buf, size_t size);
ssize_t __wrap_write(int fd, const void *buf, size_t size)
{
	if (fails("write", ENOSPC))
		return -1;
	return is_plain(fd) ? (ssize_t)size : __real_write(fd, buf, size);
}

static struct stand_in *double_of(int file)
{
	for (int i = 0; i < nr_doubles; i++)
		if (doubles[i].file == file)
			return &doubles[i];
	return NULL;
}

int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	struct epoll_event edge = {.events = EPOLLIN | EPOLLET, .data = event->data};
	int r;

	if (fails("epoll_ctl", ENOMEM))
		return -1;
	r = __real_epoll_ctl(epoll, op, fd, event);
	if (r >= 0 || errno != EPERM || nr_doubles == DOUBLES_MAX)
		return r;
	doubles[nr_doubles] = (struct stand_in){
		.fd = __real_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .file = fd,
		.data = event->data.u64};
	return __real_epoll_ctl(epoll, op, doubles[nr_doubles++].fd, &edge);
}

int __real_epoll_pwait2(int epoll, struct epoll_event *events, int max,
			const struct timespec *timeout, const sigset_t *signals);
int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int max,
			const struct timespec *timeout, const sigset_t *signals);
int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int max,
			const struct timespec *timeout, const sigset_t *signals)
{
	int n;

	if (fails("epoll_pwait2", EINTR))
		return -1;
	n = __real_epoll_pwait2(epoll, events, max, timeout, signals);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < nr_doubles; k++)
			if (events[i].data.u64 == doubles[k].data)
				events[i].events = doubles[k].events;
	return n;
}

/* A file that is closed is waited for no longer. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	struct stand_in *d = double_of(fd);

	if (d) {
		__real_close(d->fd);
		*d = doubles[--nr_doubles];
	}
	return __real_close(fd);
}

void os_signal(int fd, uint32_t events)
{
	struct stand_in *d = double_of(fd);
	uint64_t one = 1;

	if (!d)
		return;
	d->events = events;
	(void)!__real_write(d->fd, &one, sizeof(one));
}

int os_waited_for(void)
{
	return nr_doubles;
}

void os_double_reset(void)
{
	os_fail_nth(0, false);
	os_fail_reads(-1, 0);
	os_fail_open(NULL, 0);
	while (nr_doubles > 0)
		__real_close(doubles[--nr_doubles].fd);
}
