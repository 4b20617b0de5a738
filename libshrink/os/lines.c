// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>

struct reader {
	char buf[SHRINK_LINE_MAX + 1];
	size_t len;   /* bytes in buf, the beginning of a line first */
	int skipping; /* inside a line that was too long */
	int (*fn)(void *arg, char *line);
	void *arg;
};

/* Hands out the whole lines in the buffer and keeps the rest. */
static int whole_lines(struct reader *r)
{
	char *line = r->buf, *end;
	int ret = 0;

	while (!ret && (end = memchr(line, '\n', r->len - (size_t)(line - r->buf)))) {
		*end = '\0';
		if (!r->skipping)
			ret = r->fn(r->arg, line);
		r->skipping = 0;
		line = end + 1;
	}
	r->len -= (size_t)(line - r->buf);
	memmove(r->buf, line, r->len);
	if (r->len == SHRINK_LINE_MAX) {
		r->skipping = 1;
		r->len = 0;
	}
	return ret;
}

static int last_line(struct reader *r)
{
	if (!r->len || r->skipping)
		return 0;
	r->buf[r->len] = '\0';
	return r->fn(r->arg, r->buf);
}

int shrink_os_lines(const char *path, int (*fn)(void *arg, char *line), void *arg)
{
	struct reader r = {.fn = fn, .arg = arg};
	int fd = shrink_os_open(path, O_RDONLY), ret = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fd;
	while (!ret && n) {
		n = read(fd, r.buf + r.len, SHRINK_LINE_MAX - r.len);
		if (n < 0 && errno != EINTR)
			ret = -errno;
		if (n > 0) {
			r.len += (size_t)n;
			ret = whole_lines(&r);
		}
	}
	if (!ret)
		ret = last_line(&r);
	shrink_os_close(fd);
	return ret;
}
