// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tsv.h"

int tsv_open(struct tsv *t, const char *path)
{
	*t = (struct tsv){.path = path};
	t->f = fopen(path, "r");
	return t->f ? 0 : -errno;
}

/* One field too many is kept in nr, so that the caller finds the count wrong. */
static void cut(struct tsv *t)
{
	char *rest = t->line;

	t->nr = 0;
	for (char *word; (word = strtok_r(rest, " \t\r\n", &rest)); t->nr++)
		if (t->nr < TSV_FIELDS)
			t->field[t->nr] = word;
}

int tsv_next(struct tsv *t)
{
	while (getline(&t->line, &t->room, t->f) >= 0) {
		t->number++;
		cut(t);
		if (t->nr && t->field[0][0] != '#')
			return 1;
	}
	return 0;
}

void tsv_fail(struct tsv *t, const char *fmt, ...)
{
	va_list args;

	t->failed++;
	printf("%s:%lu: ", t->path, t->number);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

int tsv_close(struct tsv *t)
{
	int bad = ferror(t->f);

	if (bad)
		printf("%s: cannot be read to its end\n", t->path);
	if (!t->passed && !t->failed)
		printf("%s: no rows, which proves nothing\n", t->path);
	printf("%lu passed, %lu failed\n", t->passed, t->failed);
	fclose(t->f);
	free(t->line);
	return bad || t->failed || !t->passed;
}

/* Only what a number is made of: strtoll() would take leading blanks and '+'. */
static int base_of(const char *field)
{
	const char *digits = field + (*field == '-');
	int hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');

	if (hex)
		digits += 2;
	if (!*digits || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") !=
				strlen(digits))
		return -1;
	return hex ? 16 : 10;
}

int tsv_int(const char *field, int64_t lo, int64_t hi, int64_t *ret)
{
	int base = base_of(field);
	long long value;

	if (base < 0)
		return -1;
	errno = 0;
	value = strtoll(field, NULL, base);
	if (errno || value < lo || value > hi)
		return -1;
	*ret = value;
	return 0;
}

int tsv_bits(const char *field, uint64_t *ret)
{
	int base = base_of(field);
	unsigned long long bits;
	int64_t value;

	if (field[0] == '-') {
		if (tsv_int(field, INT64_MIN, INT64_MAX, &value) < 0)
			return -1;
		*ret = (uint64_t)value;
		return 0;
	}
	if (base < 0)
		return -1;
	errno = 0;
	bits = strtoull(field, NULL, base);
	if (errno)
		return -1;
	*ret = bits;
	return 0;
}
