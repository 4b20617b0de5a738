// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <string.h>

#include <libshrink/base/lines.h>

/* One byte is kept for the NUL of a last line that has no newline. */
char *shrink_lines_room(const struct shrink_lines *l, size_t *ret_size)
{
	*ret_size = l->size - 1 - l->len;
	return l->buf + l->len;
}

int shrink_lines_take(struct shrink_lines *l, size_t n)
{
	char *line = l->buf, *end;
	int r = 0;

	l->len += n;
	while (!r && (end = memchr(line, '\n', l->len - (size_t)(line - l->buf)))) {
		*end = '\0';
		if (!l->skipping)
			r = l->fn(l->arg, line);
		l->skipping = false;
		line = end + 1;
	}
	l->len -= (size_t)(line - l->buf);
	memmove(l->buf, line, l->len);
	if (l->len == l->size - 1) {
		l->skipping = true;
		l->len = 0;
	}
	return r;
}

int shrink_lines_end(struct shrink_lines *l)
{
	if (!l->len || l->skipping)
		return 0;
	l->buf[l->len] = '\0';
	return l->fn(l->arg, l->buf);
}
