// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <libshrink/base/base64.h>

/* The next character that counts; '\0' at the end. */
static char next(const char **text)
{
	*text += strspn(*text, " \t\r\n");
	return **text ? *(*text)++ : '\0';
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters of which the last may be padding. Returns the number of bytes in
 * *@ret_bits, highest first; 0 at the end of the text; -EINVAL. */
static int group(const char **text, uint32_t *ret_bits)
{
	uint32_t bits = 0;
	int digits = 0;

	for (int i = 0; i < 4; i++) {
		char c = next(text);

		if (!c && !i)
			return 0;
		if (c != '=' && (digits < i || value_of(c) < 0))
			return -EINVAL; /* also a digit behind padding */
		digits += c != '=';
		bits = bits << 6 | (c == '=' ? 0 : (uint32_t)value_of(c));
	}
	if (digits < 2 || (digits < 4 && (bits & 0xffffffU >> (digits - 1) * 8)))
		return -EINVAL;
	*ret_bits = bits;
	return digits - 1;
}

long shrink_base64_decode(const char *text, void *out, size_t size)
{
	unsigned char *to = out;
	uint32_t bits = 0;
	size_t len = 0;
	int n;

	while ((n = group(&text, &bits)) > 0) {
		for (int i = 0; i < n; i++) {
			if (len == size)
				return -ENOSPC;
			to[len++] = (unsigned char)(bits >> (16 - 8 * i));
		}
		if (n < 3 && next(&text))
			return -EINVAL;
	}
	return n < 0 ? n : (long)len;
}
