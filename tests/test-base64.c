// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Base64, against a model that is slow and obvious. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libshrink/base/base64.h>
#include <libshrink/base/bits.h>

#include "tests/harness.h"
#include "tests/random.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Bit by bit. */
static size_t encode(const unsigned char *data, size_t size, char *out)
{
	size_t n = 0;

	for (size_t bit = 0; bit < size * 8; bit += 6) {
		unsigned int v = 0;

		for (size_t i = bit; i < bit + 6; i++)
			v = v << 1 | (i < size * 8 ? data[i / 8] >> (7 - i % 8) & 1 : 0);
		out[n++] = alphabet[v];
	}
	while (n % 4)
		out[n++] = '=';
	out[n] = '\0';
	return n;
}

/* RFC 4648, section 10. */
static void test_vectors(void)
{
	static const char *const vectors[][2] = {
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
	};
	char out[64];

	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(vectors); i++) {
		ASSERT_INT(shrink_base64_decode(vectors[i][1], out, sizeof(out)),
			   strlen(vectors[i][0]));
		CU_ASSERT(!memcmp(out, vectors[i][0], strlen(vectors[i][0])));
	}
	/* as systemd writes it: "some 200000 2000000" and a NUL */
	ASSERT_INT(shrink_base64_decode("c29tZSAyMDAwMDAgMjAwMDAwMAA=", out, sizeof(out)), 20);
	CU_ASSERT(!memcmp(out, "some 200000 2000000", 20));
	ASSERT_INT(shrink_base64_decode(" Z g\n= =\t", out, sizeof(out)), 1);
}

static void test_refused(void)
{
	static const char *const texts[] = {
		"Z", "Zg", "Zg=", "Zm8", "=", "====", "Z===", "Zg=a", "Zg==Zg==", "Zm9v=",
		"Zm9v\xc3", "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zm9v Zg", ".", "Zg==x",
	};
	char out[64];

	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(texts); i++)
		ASSERT_INT(shrink_base64_decode(texts[i], out, sizeof(out)), -EINVAL);
	ASSERT_INT(shrink_base64_decode("Zm9v", out, 3), 3);
	ASSERT_INT(shrink_base64_decode("Zm9v", out, 2), -ENOSPC);
	ASSERT_INT(shrink_base64_decode("", out, 0), 0);
}

static void test_round_trip(void)
{
	unsigned char data[200], out[201];
	struct random rnd = random_new();
	char text[400];

	for (int round = 0; round < 20000; round++) {
		size_t size = random_next(&rnd) % sizeof(data), len;

		for (size_t i = 0; i < size; i++)
			data[i] = random_next(&rnd) % 4 ? (unsigned char)random_next(&rnd) : 0;
		len = encode(data, size, text);
		out[size] = 0xa5;
		ASSERT_INT(shrink_base64_decode(text, out, size), size);
		CU_ASSERT(!memcmp(out, data, size) && out[size] == 0xa5);
		/* one wrong character is noticed, or is one bit of data */
		if (!len)
			continue;
		text[random_next(&rnd) % len] = '*';
		ASSERT_INT(shrink_base64_decode(text, out, size), -EINVAL);
	}
}

static const struct test tests[] = {
	{"vectors of the standard", test_vectors},
	{"what is not Base64", test_refused},
	{"round trips", test_round_trip},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "base64", tests);
}
