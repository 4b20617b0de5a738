// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Base64: every text is decoded or refused as the standard says, and what is decoded can
 * be encoded again to the very same text.
 * with: base/base64.c */
#define FUZZER base64
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/base/base64.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Without blanks and line ends. */
static size_t squeeze(char *text)
{
	size_t n = 0;

	for (const char *p = text; *p; p++)
		if (!strchr(" \t\r\n", *p))
			text[n++] = *p;
	text[n] = '\0';
	return n;
}

/* The bytes that a squeezed text stands for, or -1. */
static long naive_size(const char *text, size_t len)
{
	size_t pad = 0, body;
	const char *last;

	while (pad < len && text[len - 1 - pad] == '=')
		pad++;
	body = len - pad;
	if (len % 4 || pad > 2 || strspn(text, digits) != body)
		return -1;
	/* bits behind the last byte are 0 */
	last = body ? strchr(digits, text[body - 1]) : digits;
	if (pad && (last - digits) % (pad == 1 ? 4 : 16))
		return -1;
	return (long)(len / 4 * 3 - pad);
}

static int bit(const uint8_t *data, size_t size, size_t n)
{
	return n / 8 < size && data[n / 8] >> (7 - n % 8) & 1;
}

/* Digit @n of the encoding of @data. */
static char digit(const uint8_t *data, size_t size, size_t n)
{
	int v = 0;

	if (n * 6 >= size * 8)
		return '=';
	for (size_t i = n * 6; i < n * 6 + 6; i++)
		v = v * 2 + bit(data, size, i);
	return digits[v];
}

static void check_good(const char *text, const char *plain, size_t size)
{
	uint8_t *out = malloc(size ? size : 1);

	FUZZ_CHECK(shrink_base64_decode(text, out, size) == (long)size);
	for (size_t i = 0; plain[i]; i++)
		FUZZ_CHECK(digit(out, size, i) == plain[i]);
	if (size)
		FUZZ_CHECK(shrink_base64_decode(text, out, size - 1) == -ENOSPC);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *plain = fuzz_copy(text);
	long expected = naive_size(plain, squeeze(plain));
	uint8_t *out = malloc(size + 1);

	if (expected >= 0)
		check_good(text, plain, (size_t)expected);
	else
		FUZZ_CHECK(shrink_base64_decode(text, out, size + 1) == -EINVAL);
	free(out);
	free(plain);
	free(text);
	return 0;
}
