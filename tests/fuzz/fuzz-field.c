// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A field by its name: the first line of the input is the name, the rest the text.
 * with: base/parse.c */
#define FUZZER field
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/base/parse.h>

static void check(const char *text, const char *key)
{
	uint64_t got = 7, expected = 7;

	FUZZ_CHECK(shrink_parse_field(text, key, &got) == naive_field(text, key, &expected));
	FUZZ_CHECK(got == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *key = fuzz_text(data, size), *end = strchr(key, '\n'), *text;

	text = fuzz_copy(end ? end + 1 : "");
	if (end)
		*end = '\0';
	/* a name with these in it is nobody's */
	if (*key && !strpbrk(key, ": \t"))
		check(text, key);
	check(text, "oom");
	free(text);
	free(key);
	return 0;
}
