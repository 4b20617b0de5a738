// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libshrink/os/fd.h>
#include <libshrink/os/watch.h>

/* Reads per call: a writer that never rests must not hold the monitor. */
#define DISCARD_READS 16

/* A name for what @fd stands for, whatever its path is now and however long; where
 * there is no /proc the path has to do. */
static const char *name_of(int fd, const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "/proc/self/fd/%d", fd);
	return access(buf, F_OK) ? path : buf;
}

static int connect_socket(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(name) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, name);
	fd = shrink_os_socket_unix();
	if (fd < 0)
		return fd;
	do {
		r = connect(fd, (const struct sockaddr *)&to, sizeof(to));
	} while (r < 0 && errno == EINTR);
	if (r < 0) {
		r = -errno;
		shrink_os_close(fd);
		return r;
	}
	return fd;
}

/* A FIFO is opened for both, so that it neither waits for a writer nor ends with
 * the last one. */
static int open_kind(enum shrink_watch_kind kind, const char *name, int writes)
{
	if (kind == SHRINK_WATCH_SOCKET)
		return connect_socket(name);
	return shrink_os_open_real(
		name, (kind == SHRINK_WATCH_FIFO || writes ? O_RDWR : O_RDONLY) | O_NONBLOCK);
}

static int kind_of(int fd, enum shrink_watch_kind *ret_kind)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		*ret_kind = SHRINK_WATCH_FILE;
	else if (S_ISFIFO(st.st_mode))
		*ret_kind = SHRINK_WATCH_FIFO;
	else if (S_ISSOCK(st.st_mode))
		*ret_kind = SHRINK_WATCH_SOCKET;
	else
		return -EBADF;
	return 0;
}

/* All at once: half a trigger is another trigger. No SIGPIPE from a socket. */
static int write_all(int fd, enum shrink_watch_kind kind, const void *data, size_t size)
{
	ssize_t n;

	do {
		n = kind == SHRINK_WATCH_SOCKET ? send(fd, data, size, MSG_NOSIGNAL)
						: write(fd, data, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (size_t)n == size ? 0 : -EPROTO;
}

int shrink_os_watch_open(const char *path, const void *data, size_t size,
			 enum shrink_watch_kind *ret_kind)
{
	char full[4352], buf[32];
	enum shrink_watch_kind kind = SHRINK_WATCH_FILE;
	int place, fd, r;

	r = shrink_os_path(full, sizeof(full), path);
	if (r < 0)
		return r;
	/* What is looked at is what is opened, also if somebody renames meanwhile */
	place = shrink_os_open(path, O_PATH);
	if (place < 0)
		return place;
	r = kind_of(place, &kind);
	if (!r)
		r = open_kind(kind, name_of(place, full, buf, sizeof(buf)), size != 0);
	shrink_os_close(place);
	if (r < 0)
		return r;
	fd = r;
	r = size ? write_all(fd, kind, data, size) : 0;
	if (r < 0) {
		shrink_os_close(fd);
		return r;
	}
	*ret_kind = kind;
	return fd;
}

long shrink_os_watch_discard(int fd, void *ret_first, size_t size)
{
	char buf[4096];
	long total = 0;

	for (int i = 0; i < DISCARD_READS; i++) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && !total && size)
			memcpy(ret_first, buf, (size_t)n < size ? (size_t)n : size);
		if (n > 0)
			total += n;
		else if (total)
			break;
		else
			return n ? -errno : -EPIPE;
	}
	return total;
}

const char *shrink_os_getenv(const char *name)
{
	return secure_getenv(name);
}
