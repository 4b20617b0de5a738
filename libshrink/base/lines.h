/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Lines out of a text that comes in pieces, into a buffer that is smaller than the text:
 *
 *	while (there is more) {
 *		piece = shrink_lines_room(l, &size);
 *		... put n <= size bytes there ...
 *		r = shrink_lines_take(l, n);
 *	}
 *	r = shrink_lines_end(l);
 *
 * Nothing is read or allocated here.
 */
#ifndef SHRINK_BASE_LINES_H
#define SHRINK_BASE_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Begin with all but the first four zeroed. */
struct shrink_lines {
	char *buf;   /* of @size bytes */
	size_t size; /* a line of size - 1 bytes or more is skipped as a whole; at least 2 */
	/* Called with each line, without its newline and free to be cut up, until it
	 * returns non-zero. */
	int (*fn)(void *arg, char *line);
	void *arg;
	size_t len;    /* bytes in buf: the beginning of a line */
	bool skipping; /* inside a line that was too long */
};

/* Where the next piece goes, and how much of it fits there: never 0. */
char *shrink_lines_room(const struct shrink_lines *l, size_t *ret_size);
/* @n bytes have come there. What @fn returned, 0 to go on; then nothing more may come. */
int shrink_lines_take(struct shrink_lines *l, size_t n);
/* That was all: hands out a last line that has no newline. */
int shrink_lines_end(struct shrink_lines *l);

#endif /* SHRINK_BASE_LINES_H */
