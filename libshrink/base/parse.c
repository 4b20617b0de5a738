// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include <libshrink/base/parse.h>

int shrink_parse_u64(const char **p, uint64_t *ret_value)
{
	const char *s = *p;
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	*p = s;
	*ret_value = v;
	return 0;
}

static unsigned int suffix_shift(char c)
{
	switch (c | 0x20) {
	case 'k':
		return 10;
	case 'm':
		return 20;
	case 'g':
		return 30;
	case 't':
		return 40;
	}
	return 0;
}

int shrink_parse_number(const char *text, int sizes, uint64_t *ret_value)
{
	const char *p = text;
	unsigned int shift;
	uint64_t v;
	int r = shrink_parse_u64(&p, &v);

	if (r < 0)
		return r;
	shift = sizes ? suffix_shift(*p) : 0;
	if (shift) {
		p++;
		if (*p == 'i')
			p++;
	}
	if (sizes && (*p == 'B' || *p == 'b'))
		p++;
	if (*p)
		return -EINVAL;
	if (shift && v > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_value = v << shift;
	return 0;
}

int shrink_parse_limit(const char *text, uint64_t *ret_value)
{
	if (strncmp(text, "max", 3))
		return shrink_parse_u64(&text, ret_value);
	*ret_value = UINT64_MAX;
	return 0;
}

int shrink_parse_field(const char *text, const char *key, uint64_t *ret_value)
{
	size_t len = strlen(key);
	uint64_t v;
	int r;

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		const char *p;

		line += *line == '\n';
		if (strncmp(line, key, len))
			continue;
		p = line + len;
		if (*p == ':')
			p++;
		else if (*p != ' ' && *p != '\t')
			continue;
		p += strspn(p, " \t");
		r = shrink_parse_u64(&p, &v);
		if (r < 0)
			return r;
		if (!strncmp(p, " kB", 3)) {
			if (v > UINT64_MAX >> 10)
				return -ERANGE;
			v <<= 10;
		}
		*ret_value = v;
		return 0;
	}
	return -ENOENT;
}
