// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>

/* Sources hold some dozens (16 levels of groups with four files each at the
 * worst), owners one each. Beyond the table a descriptor still works; it is only
 * not closed in a forked child, where close-on-exec ends it. */
#define FD_TABLE 1024

struct own_fd {
	int fd; /* -1 = free */
	dev_t dev;
	ino_t ino;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct own_fd table[FD_TABLE];
static unsigned int table_used; /* places [0, table_used) were ever taken */
static char sysroot[256];

void shrink_os_set_sysroot(const char *path)
{
	snprintf(sysroot, sizeof(sysroot), "%s", path);
}

int shrink_os_path(char *buf, size_t size, const char *path)
{
	int n = snprintf(buf, size, "%s%s", sysroot, path);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Remembers @fd, or passes the negative errno of its opening on. */
int shrink_os_fd_own(int fd)
{
	struct stat st;
	unsigned int i;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return fd;
	pthread_mutex_lock(&table_lock);
	for (i = 0; i < table_used && table[i].fd >= 0; i++)
		;
	if (i < FD_TABLE) {
		table[i] = (struct own_fd){.fd = fd, .dev = st.st_dev, .ino = st.st_ino};
		if (i == table_used)
			table_used++;
	}
	pthread_mutex_unlock(&table_lock);
	return fd;
}

int shrink_os_open(const char *path, int flags)
{
	char full[4352];
	int r = shrink_os_path(full, sizeof(full), path);

	return r < 0 ? r : shrink_os_open_real(full, flags);
}

int shrink_os_open_warm(const char *path)
{
	int fd = shrink_os_open(path, O_RDONLY);
	char first[2];

	if (fd >= 0)
		shrink_os_pread(fd, first, sizeof(first)); /* an error will come again */
	return fd;
}

int shrink_os_open_real(const char *path, int flags)
{
	int fd;

	do {
		fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && errno == EINTR);
	return shrink_os_fd_own(fd);
}

int shrink_os_socket_unix(void)
{
	return shrink_os_fd_own(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int shrink_os_eventfd(int initial)
{
	return shrink_os_fd_own(eventfd((unsigned int)initial, EFD_CLOEXEC | EFD_NONBLOCK));
}

int shrink_os_epoll(void)
{
	return shrink_os_fd_own(epoll_create1(EPOLL_CLOEXEC));
}

void shrink_os_fd_disown(int fd)
{
	pthread_mutex_lock(&table_lock);
	for (unsigned int i = 0; i < table_used; i++)
		if (table[i].fd == fd)
			table[i].fd = -1;
	pthread_mutex_unlock(&table_lock);
}

void shrink_os_close(int fd)
{
	if (fd < 0)
		return;
	shrink_os_fd_disown(fd);
	close(fd);
}

/*
 * The kernel's texts end with a newline. Without one the read was cut short - or somebody
 * who shows a made-up copy (FUSE) does so - and "10485760" must not become "1048".
 */
ssize_t shrink_os_pread(int fd, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	do {
		n = shrink_os_pread_at(fd, buf + got, size - 1 - got, got);
		if (n < 0)
			return n;
		got += (size_t)n;
	} while (n && got < size - 1 && buf[got - 1] != '\n');
	buf[got] = '\0';
	return (ssize_t)got;
}

ssize_t shrink_os_pread_at(int fd, char *buf, size_t size, size_t offset)
{
	ssize_t n;

	do {
		n = pread(fd, buf, size, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int shrink_os_pread_u64(int fd, uint64_t *ret_value)
{
	char buf[64];
	ssize_t n = shrink_os_pread(fd, buf, sizeof(buf));

	return n < 0 ? (int)n : shrink_parse_limit(buf, ret_value);
}

int shrink_os_write(int fd, const char *text, size_t len)
{
	ssize_t n;

	do {
		n = write(fd, text, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

void shrink_os_notify(int fd)
{
	uint64_t one = 1;
	ssize_t n;

	/* EAGAIN: the counter is full, so it is readable, which is all we want */
	do {
		n = write(fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
}

uint64_t shrink_os_drain(int fd)
{
	uint64_t value;
	ssize_t n;

	do {
		n = read(fd, &value, sizeof(value));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(value) ? value : 0;
}

int shrink_os_epoll_add(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	if (!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) || errno == EEXIST)
		return 0;
	return -errno;
}

/* Microseconds where the kernel has epoll_pwait2 (5.11) and a filter lets it
 * through, else rounded up to milliseconds: late rather than spinning. */
int shrink_os_epoll_wait(int epoll, struct epoll_event *events, int max, uint64_t usec)
{
	struct timespec ts = {.tv_sec = (time_t)(usec / 1000000),
			      .tv_nsec = (long)(usec % 1000000 * NSEC_PER_USEC)};
	uint64_t msec = usec / 1000 + (usec % 1000 != 0);
	int n;

	n = epoll_pwait2(epoll, events, max, usec == UINT64_MAX ? NULL : &ts, NULL);
	if (n < 0 && (errno == ENOSYS || errno == EPERM))
		n = epoll_wait(epoll, events, max,
			       usec == UINT64_MAX ? -1 : (int)shrink_min_u64(msec, INT32_MAX));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n;
}

void shrink_os_fd_fork_child(void)
{
	struct stat st;

	pthread_mutex_init(&table_lock, NULL);
	for (unsigned int i = 0; i < table_used; i++) {
		struct own_fd *o = &table[i];

		/* The program may have closed or replaced it between fork and here */
		if (o->fd >= 0 && !fstat(o->fd, &st) && st.st_dev == o->dev &&
		    st.st_ino == o->ino)
			close(o->fd);
		o->fd = -1;
	}
	table_used = 0;
}

unsigned int shrink_os_fd_count(void)
{
	unsigned int n = 0;

	pthread_mutex_lock(&table_lock);
	for (unsigned int i = 0; i < table_used; i++)
		n += table[i].fd >= 0;
	pthread_mutex_unlock(&table_lock);
	return n;
}
