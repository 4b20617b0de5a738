/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* What fuzzers compare with: slow, obvious, and none of the library's code. */
#ifndef TESTS_FUZZ_NAIVE_H
#define TESTS_FUZZ_NAIVE_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

#define NAIVE_BLANK(c) ((c) == ' ' || (c) == '\t')
#define NAIVE_DIGIT(c) ((c) >= '0' && (c) <= '9')

/* Digits at @s[*at]: their number, which stays at 2^64 where it is larger; *at moves
 * behind them. False: there is none. */
static inline bool naive_digits(const char *s, size_t *at, wide *ret)
{
	const wide too_large = (wide)1 << 64;
	size_t begin = *at;

	for (*ret = 0; NAIVE_DIGIT(s[*at]); ++*at) {
		*ret = 10U * *ret + (unsigned int)(s[*at] - '0');
		if (*ret > too_large)
			*ret = too_large;
	}
	return *at > begin;
}

/* "key 12", "key: 12 kB": of the first line that has the key, as shrink_parse_field()
 * should: 0, -ENOENT, -EINVAL or -ERANGE. */
static inline int naive_field(const char *text, const char *key, uint64_t *ret)
{
	size_t at = 0, len = strlen(text), begin = 0;
	wide v;

	for (;; begin = at + 1) {
		for (at = begin; at < len && text[at] != '\n'; at++)
			;
		if (at - begin > strlen(key) && !memcmp(text + begin, key, strlen(key)) &&
		    (text[begin + strlen(key)] == ':' || NAIVE_BLANK(text[begin + strlen(key)])))
			break;
		if (at >= len)
			return -ENOENT;
	}
	at = begin + strlen(key) + (text[begin + strlen(key)] == ':');
	while (NAIVE_BLANK(text[at]))
		at++;
	if (!naive_digits(text, &at, &v))
		return -EINVAL;
	if (v >> 64)
		return -ERANGE;
	if (text[at] == ' ' && text[at + 1] == 'k' && text[at + 2] == 'B')
		v *= 1024;
	if (v >> 64)
		return -ERANGE;
	*ret = (uint64_t)v;
	return 0;
}

/* The same where a missing or broken field is 0. */
static inline uint64_t naive_or_0(const char *text, const char *key)
{
	uint64_t v = 0;

	return naive_field(text, key, &v) ? 0 : v;
}

static inline uint64_t naive_narrow(wide v)
{
	return v >> 64 ? UINT64_MAX : (uint64_t)v;
}

#endif /* TESTS_FUZZ_NAIVE_H */
