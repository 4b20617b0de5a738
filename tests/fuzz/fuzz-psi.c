// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Pressure files, and the sliding window over what they count.
 * with: base/parse.c source/stall.c */
#define FUZZER psi
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/source/stall.h>

/* total= of the first line that begins with @word. */
static int naive_total(const char *text, const char *word, uint64_t *ret)
{
	char *copy = fuzz_copy(text), *rest = copy, *line, *p;
	int r = -EINVAL;
	size_t at = 0;
	wide v;

	do {
		line = strsep(&rest, "\n");
	} while (line && strstr(line, word) != line);
	p = line ? strstr(line, " total=") : NULL;
	if (p && naive_digits(p + 7, &at, &v))
		r = v >> 64 ? -ERANGE : 0;
	if (!r)
		*ret = (uint64_t)v;
	free(copy);
	return r;
}

static void check_text(const char *text)
{
	uint64_t some = 7, full = 7, naive_some, naive_full = 0;
	int r = naive_total(text, "some ", &naive_some);

	FUZZ_CHECK(shrink_stall_parse(text, &some, &full) == r);
	if (r) {
		FUZZ_CHECK(some == 7 && full == 7);
		return;
	}
	if (naive_total(text, "full ", &naive_full))
		naive_full = 0;
	FUZZ_CHECK(some == naive_some && full == naive_full);
}

/* Pairs of bytes are time that passes and stall that comes: never more is seen than
 * there was, and all that is younger than the window. */
static void check_window(const uint8_t *data, size_t size)
{
	uint64_t now = 0, value = 0, window = 100, begun = 0;
	struct shrink_stall stall;

	shrink_stall_begin(&stall, now, value);
	for (size_t i = 0; i + 1 < size && i < 512; i += 2) {
		uint64_t growth, whole = stall.value;
		bool over;

		now += data[i];
		value += data[i + 1];
		over = now - begun > window;
		growth = shrink_stall_growth(&stall, now, value, window);
		FUZZ_CHECK(growth <= value && growth >= value - whole);
		if (over) {
			FUZZ_CHECK(growth == value - whole);
			begun = now;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_text(text);
	check_window(data, size);
	free(text);
	return 0;
}
