// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Tables of numbers: what kernel slices are recorded in.
 * with: tests/tsv.c */
#define FUZZER tsv
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include "tests/tsv.h"

static int hex(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* A whole field as sign and magnitude, which stays at 2^64 where it is larger. */
static bool naive(const char *s, bool *ret_minus, wide *ret)
{
	bool is_hex;

	*ret_minus = *s == '-';
	s += *ret_minus;
	is_hex = s[0] == '0' && (s[1] | 0x20) == 'x';
	s += is_hex ? 2 : 0;
	*ret = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		int digit = hex(*s);

		if (digit < 0 || (!is_hex && digit > 9))
			return false;
		*ret = (is_hex ? 16U : 10U) * *ret + (unsigned int)digit;
		if (*ret >> 64)
			*ret = (wide)1 << 64;
	}
	return true;
}

static void check_field(const char *field)
{
	const wide half = (wide)1 << 63;
	int64_t number = 7;
	uint64_t bits = 7;
	bool minus, good, fits;
	wide v;

	good = naive(field, &minus, &v);
	fits = good && (minus ? v <= half : v < half);
	FUZZ_CHECK(tsv_int(field, INT64_MIN, INT64_MAX, &number) == (fits ? 0 : -1));
	FUZZ_CHECK(fits ? (uint64_t)number == (uint64_t)(minus ? -v : v) : number == 7);
	fits = fits && v <= 100 && (!minus || !v);
	FUZZ_CHECK(tsv_int(field, 0, 100, &number) == (fits ? 0 : -1));
	fits = good && (minus ? v <= half : !(v >> 64));
	FUZZ_CHECK(tsv_bits(field, &bits) == (fits ? 0 : -1));
	FUZZ_CHECK(bits == (fits ? (uint64_t)(minus ? -v : v) : 7));
}

/* The next line that is a row; the words it has. */
static int naive_row(char **rest, char *word[TSV_FIELDS])
{
	char *line;

	while ((line = strsep(rest, "\n"))) {
		int n = 0;

		for (char *w; (w = strtok_r(line, " \t\r", &line)); n++)
			if (n < TSV_FIELDS)
				word[n] = w;
		if (n && word[0][0] != '#')
			return n;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *copy = fuzz_copy(text), *rest = copy;
	char *word[TSV_FIELDS];
	struct tsv t = {.path = "fuzz"};
	int n;

	if (!*text || !(t.f = fmemopen(text, strlen(text), "r"))) {
		free(copy);
		free(text);
		return 0;
	}
	while (tsv_next(&t)) {
		n = naive_row(&rest, word);
		FUZZ_CHECK(t.nr == (unsigned int)n);
		for (int i = 0; i < n && i < TSV_FIELDS; i++) {
			FUZZ_CHECK(!strcmp(t.field[i], word[i]));
			check_field(t.field[i]);
		}
	}
	FUZZ_CHECK(!naive_row(&rest, word));
	fclose(t.f);
	free(t.line);
	free(copy);
	free(text);
	return 0;
}
