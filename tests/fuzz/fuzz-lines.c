// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Lines out of pieces: the first byte is the size of the buffer, the second makes the
 * pieces, the rest is the text. However it is cut, the same lines come out.
 * with: base/lines.c */
#define FUZZER lines
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/base/lines.h>

struct expected {
	const uint8_t *text;
	size_t size, at; /* the next line begins here */
	size_t longest;
	unsigned int stop_at, seen;
};

/* The next line that is not too long; false: there is none. */
static bool next(struct expected *e, size_t *ret_begin, size_t *ret_len)
{
	while (e->at < e->size) {
		const uint8_t *begin = e->text + e->at;
		const uint8_t *end = memchr(begin, '\n', e->size - e->at);
		size_t len = end ? (size_t)(end - begin) : e->size - e->at;

		*ret_begin = e->at;
		*ret_len = len;
		e->at += len + 1;
		if (len <= e->longest)
			return true;
	}
	return false;
}

static int take(void *arg, char *line)
{
	struct expected *e = arg;
	size_t begin, len;

	FUZZ_CHECK(next(e, &begin, &len));
	FUZZ_CHECK(!memcmp(line, e->text + begin, len) && !line[len]);
	memset(line, 'x', len); /* it is ours to cut up */
	return ++e->seen == e->stop_at;
}

/* What take() says when it has seen enough must come back at once. */
static bool feed(struct shrink_lines *l, const uint8_t *text, size_t size, unsigned int pieces)
{
	while (size) {
		size_t room, n;
		char *to = shrink_lines_room(l, &room);

		FUZZ_CHECK(room > 0);
		pieces = pieces * 1103515245 + 12345;
		n = pieces >> 16 & 1 ? room : 1 + (pieces >> 17) % room;
		n = n < size ? n : size;
		memcpy(to, text, n);
		if (shrink_lines_take(l, n))
			return false;
		text += n;
		size -= n;
	}
	return !shrink_lines_end(l);
}

static void check(const uint8_t *text, size_t size, size_t room, unsigned int pieces,
		  unsigned int stop_at)
{
	struct expected e = {
		.text = text, .size = size, .longest = room - 2, .stop_at = stop_at};
	struct shrink_lines l = {.buf = malloc(room), .size = room, .fn = take, .arg = &e};
	size_t begin, len;
	bool all = feed(&l, text, size, pieces);

	FUZZ_CHECK(all || e.seen == stop_at);
	/* nothing but what is empty and without a newline may be left */
	FUZZ_CHECK(!all || !next(&e, &begin, &len));
	free(l.buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size ? 2 + data[0] % 62 : 2;
	unsigned int pieces = size > 1 ? data[1] : 0;

	if (size < 2)
		return 0;
	check(data + 2, size - 2, room, pieces, 0);
	check(data + 2, size - 2, room, pieces + 1, 1 + pieces % 4);
	return 0;
}
