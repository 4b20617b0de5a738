// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Numbers: of the configuration, with and without sizes, and of cgroup files.
 * with: base/parse.c */
#define FUZZER number
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/base/parse.h>

/* 10, 20, 30, 40 or 0: the power of two that a letter stands for. */
static unsigned int power(char c)
{
	static const char letters[] = "kKmMgGtT";
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (unsigned int)((at - letters) / 2 + 1) * 10 : 0;
}

static int naive(const char *s, bool sizes, uint64_t *ret)
{
	size_t at = 0;
	wide v;

	if (!naive_digits(s, &at, &v))
		return -EINVAL;
	if (v >> 64)
		return -ERANGE;
	if (sizes && power(s[at])) {
		v <<= power(s[at++]);
		at += s[at] == 'i';
	}
	at += sizes && (s[at] == 'B' || s[at] == 'b');
	if (s[at])
		return -EINVAL;
	if (v >> 64)
		return -ERANGE;
	*ret = (uint64_t)v;
	return 0;
}

static void check_number(const char *text, bool sizes)
{
	uint64_t got = 7, expected = 7;

	FUZZ_CHECK(shrink_parse_number(text, sizes, &got) == naive(text, sizes, &expected));
	FUZZ_CHECK(got == expected);
}

/* The first number, and what is left. */
static void check_prefix(const char *text)
{
	uint64_t got = 7, limit = 7;
	const char *p = text;
	size_t at = 0;
	wide v;
	bool any = naive_digits(text, &at, &v);
	int r = shrink_parse_u64(&p, &got), is_max = !strncmp(text, "max", 3);

	FUZZ_CHECK(r == (!any ? -EINVAL : v >> 64 ? -ERANGE : 0));
	FUZZ_CHECK(r ? got == 7 && p == text : got == v && p == text + at);
	FUZZ_CHECK(shrink_parse_limit(text, &limit) == (is_max ? 0 : r));
	FUZZ_CHECK(limit == (is_max ? UINT64_MAX : got));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_number(text, false);
	check_number(text, true);
	check_prefix(text);
	free(text);
	return 0;
}
