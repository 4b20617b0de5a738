// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libshrink/base/parse.h>
#include <libshrink/bridge/trace-format.h>

/* Behind the next newline; the end of the text where there is none. */
static const char *next_line(const char *p)
{
	p += strcspn(p, "\n");
	return *p ? p + 1 : p;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* Behind @word, or NULL: the line does not go on with it. */
static const char *behind(const char *p, const char *word)
{
	size_t len = strlen(word);

	p = skip_blanks(p);
	return strncmp(p, word, len) ? NULL : p + len;
}

/* A number and what ends it; so that a line that is cut off is none. */
static bool number(const char **p, char end, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	const char *at = skip_blanks(*p);

	if (shrink_parse_u64(&at, &value) < 0 || value > max || *at != end)
		return false;
	*p = at + 1;
	*ret = value;
	return true;
}

int shrink_trace_id(const char *text, uint64_t *ret_id)
{
	for (; *text; text = next_line(text)) {
		const char *p = behind(text, "ID:");

		if (p)
			return number(&p, '\n', UINT32_MAX, ret_id) ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* "TYPE NAME" up to @end: does it declare @name? An array's name ends with its bounds. */
static bool declares(const char *p, const char *end, const char *name, bool *ret_array)
{
	const char *bracket = memchr(p, '[', (size_t)(end - p));
	size_t len = strlen(name);

	/* "char[] name" is a reference to what lies elsewhere; "char name[16]" is not */
	*ret_array = bracket != NULL;
	if (bracket && end[-1] == ']')
		end = bracket;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if ((size_t)(end - p) <= len || memcmp(end - len, name, len))
		return false;
	return !is_word(end[-(ptrdiff_t)len - 1]);
}

/* "; offset:N; size:N; signed:N;" */
static int place(const char *p, struct shrink_trace_field *ret)
{
	uint64_t offset, size, is_signed;

	p = behind(p, ";");
	p = p ? behind(p, "offset:") : NULL;
	if (!p || !number(&p, ';', SHRINK_TRACE_RECORD_MAX, &offset))
		return -EINVAL;
	p = behind(p, "size:");
	if (!p || !number(&p, ';', SHRINK_TRACE_RECORD_MAX, &size))
		return -EINVAL;
	p = behind(p, "signed:");
	if (!p || !number(&p, ';', 1, &is_signed))
		return -EINVAL;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return -EDOM;
	if (offset + size > SHRINK_TRACE_RECORD_MAX)
		return -EINVAL;
	*ret = (struct shrink_trace_field){(uint32_t)offset, (uint32_t)size, (int)is_signed};
	return 0;
}

int shrink_trace_find(const char *text, const char *name, struct shrink_trace_field *ret_field)
{
	for (; *text; text = next_line(text)) {
		const char *p = behind(text, "field:"), *end;
		bool array;

		if (!p)
			continue;
		end = p + strcspn(p, ";\n");
		if (end > p && *end == ';' && declares(p, end, name, &array))
			return array ? -EDOM : place(end, ret_field);
	}
	return -ENOENT;
}

int shrink_trace_value(const struct shrink_trace_field *field, const void *record, size_t size,
		       int64_t *ret_value)
{
	unsigned int unused = 64 - 8 * field->size;
	uint64_t value = 0;

	if (size < field->size || field->offset > size - field->size)
		return -ERANGE;
	memcpy(&value, (const char *)record + field->offset, field->size);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value >>= unused;
#endif
	value <<= unused;
	/* right shifts of what is negative keep the sign, as everywhere in this library */
	*ret_value = field->is_signed ? (int64_t)value >> unused : (int64_t)(value >> unused);
	return 0;
}
