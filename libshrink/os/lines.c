// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <libshrink/base/lines.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>

/* Read at once; a longer line says nothing to us and is skipped. */
#define READ_BYTES 4096
/* zoneinfo of a machine with 64 nodes of 4 zones and 1024 processors is some 30 MiB: beyond
 * this it is not what we think it is. */
#define FILE_MAX_BYTES (64U << 20)

/* What comes with one read; -1 with errno set. */
static ssize_t more(int fd, const struct shrink_lines *l)
{
	size_t size;
	char *to = shrink_lines_room(l, &size);
	ssize_t n;

	do {
		n = read(fd, to, size);
	} while (n < 0 && errno == EINTR);
	return n;
}

int shrink_os_lines(const char *path, int (*fn)(void *arg, char *line), void *arg)
{
	char buf[SHRINK_LINE_MAX + 2];
	struct shrink_lines l = {.buf = buf, .size = sizeof(buf), .fn = fn, .arg = arg};
	int fd = shrink_os_open(path, O_RDONLY), ret = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fd;
	while (!ret && n) {
		n = more(fd, &l);
		ret = n < 0 ? -errno : shrink_lines_take(&l, (size_t)n);
	}
	if (!ret)
		ret = shrink_lines_end(&l);
	shrink_os_close(fd);
	return ret;
}

int shrink_os_lines_at(int fd, int (*fn)(void *arg, char *line), void *arg)
{
	char buf[READ_BYTES];
	struct shrink_lines l = {.buf = buf, .size = sizeof(buf), .fn = fn, .arg = arg};
	size_t offset = 0, size;
	ssize_t n;
	int ret;

	do {
		char *to = shrink_lines_room(&l, &size);

		n = shrink_os_pread_at(fd, to, size, offset);
		if (n < 0)
			return (int)n;
		offset += (size_t)n;
		ret = shrink_lines_take(&l, (size_t)n);
	} while (!ret && n && offset < FILE_MAX_BYTES);
	return ret ? ret : shrink_lines_end(&l);
}
