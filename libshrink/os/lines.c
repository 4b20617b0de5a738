// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <libshrink/base/lines.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>

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
