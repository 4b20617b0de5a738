// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Format files of tracepoints, and the values in records as they say.
 * with: base/parse.c bridge/trace-format.c */
#define FUZZER trace_format
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <regex.h>

#include <libshrink/bridge/trace-format.h>

#define GROUPS 5

/* Group @n of a match as a number, at most 2^64. */
static wide group(const char *line, const regmatch_t *m, int n)
{
	size_t at = 0;
	wide v = 0;

	naive_digits(line + m[n].rm_so, &at, &v);
	return v;
}

/* The last word of a declaration whose bounds, if it ends with some, are cut off; false:
 * there is nothing in front of it, or no word. */
static bool declared(char *text, const char *name)
{
	size_t len = strlen(text), begin;

	if (len && text[len - 1] == ']')
		len = strcspn(text, "[");
	while (len && NAIVE_BLANK(text[len - 1]))
		len--;
	for (begin = len; begin && (isalnum((unsigned char)text[begin - 1]) ||
				    text[begin - 1] == '_'); begin--)
		;
	text[len] = '\0';
	return begin && !strcmp(text + begin, name);
}

static int naive_place(const char *line, struct shrink_trace_field *ret)
{
	static const char pattern[] =
		"^[ \t]*field:[^;]+;[ \t]*offset:[ \t]*([0-9]+);[ \t]*size:[ \t]*([0-9]+);"
		"[ \t]*signed:[ \t]*([0-9]+);";
	static regex_t re;
	static bool compiled;
	regmatch_t m[GROUPS];
	wide offset, size, sign;

	if (!compiled && regcomp(&re, pattern, REG_EXTENDED))
		abort();
	compiled = true;
	if (regexec(&re, line, GROUPS, m, 0))
		return -EINVAL;
	offset = group(line, m, 1);
	size = group(line, m, 2);
	sign = group(line, m, 3);
	if (offset > SHRINK_TRACE_RECORD_MAX || size > SHRINK_TRACE_RECORD_MAX || sign > 1)
		return -EINVAL;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return -EDOM;
	if (offset + size > SHRINK_TRACE_RECORD_MAX)
		return -EINVAL;
	*ret = (struct shrink_trace_field){(uint32_t)offset, (uint32_t)size, (int)sign};
	return 0;
}

static int naive_find(const char *text, const char *name, struct shrink_trace_field *ret)
{
	char *copy = fuzz_copy(text), *rest = copy, *line, *p;
	int r = -ENOENT;
	bool array;

	while (r == -ENOENT && (line = strsep(&rest, "\n"))) {
		p = line + strspn(line, " \t");
		if (strncmp(p, "field:", 6) || !strchr(p, ';') || p[6] == ';')
			continue;
		p = strndup(p + 6, strcspn(p + 6, ";"));
		if (!p)
			abort();
		array = strchr(p, '[') != NULL;
		if (declared(p, name))
			r = array ? -EDOM : naive_place(line, ret);
		free(p);
	}
	free(copy);
	return r;
}

static void check_find(const char *text, const char *name)
{
	struct shrink_trace_field got = {1, 2, 3}, expected = {1, 2, 3};

	FUZZ_CHECK(shrink_trace_find(text, name, &got) == naive_find(text, name, &expected));
	FUZZ_CHECK(got.offset == expected.offset && got.size == expected.size &&
		   got.is_signed == expected.is_signed);
}

/* A line that is cut off says nothing. */
static void check_id(const char *text)
{
	char *copy = fuzz_copy(text), *rest = copy, *line;
	uint64_t id = 7;
	int r = -EINVAL;
	wide v = 7;

	while ((line = strsep(&rest, "\n"))) {
		size_t at;

		line += strspn(line, " \t");
		if (strncmp(line, "ID:", 3))
			continue;
		at = 3 + strspn(line + 3, " \t");
		if (naive_digits(line, &at, &v) && !line[at] && rest && v <= UINT32_MAX)
			r = 0;
		break;
	}
	FUZZ_CHECK(shrink_trace_id(text, &id) == r);
	FUZZ_CHECK(id == (r ? 7 : v));
	free(copy);
}

/* Byte by byte from the end; ours are machines that keep the lowest first. */
static void check_value(const struct shrink_trace_field *f, const uint8_t *record, size_t size)
{
	int64_t got = 7;
	uint64_t v = 0;
	int r = shrink_trace_value(f, record, size, &got);

	FUZZ_CHECK(r == ((wide)f->offset + f->size > size ? -ERANGE : 0));
	if (r) {
		FUZZ_CHECK(got == 7);
		return;
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (uint32_t i = f->size; i-- > 0;)
		v = v * 256 + record[f->offset + i];
	if (f->is_signed && f->size < 8 && record[f->offset + f->size - 1] & 0x80)
		v -= 1ULL << 8 * f->size;
	FUZZ_CHECK(got == (int64_t)v);
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct shrink_trace_field f;

	check_id(text);
	check_find(text, "nid");
	check_find(text, "shrink");
	check_find(text, "priority");
	for (uint32_t n = 1; n <= 8; n *= 2)
		for (int sign = 0; sign < 2; sign++) {
			f = (struct shrink_trace_field){size ? data[0] % 32 : 0, n, sign};
			check_value(&f, data, size);
		}
	free(text);
	return 0;
}
