// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/source/stall.h>

void shrink_stall_begin(struct shrink_stall *stall, uint64_t now_usec, uint64_t value)
{
	*stall = (struct shrink_stall){.start = now_usec, .value = value};
}

uint64_t shrink_stall_growth(struct shrink_stall *stall, uint64_t now_usec, uint64_t value,
			     uint64_t window_usec)
{
	uint64_t elapsed = shrink_sub_u64(now_usec, stall->start);
	uint64_t growth = shrink_sub_u64(value, stall->value);

	if (elapsed > window_usec) {
		*stall = (struct shrink_stall){
			.start = now_usec, .value = value, .previous = growth};
		return growth;
	}
	return growth + shrink_mul_div(stall->previous, window_usec - elapsed, window_usec);
}

/* Of the first line that begins with @key. */
static int total_of(const char *text, const char *key, uint64_t *ret_total)
{
	const char *line = text, *p, *end;

	while (strncmp(line, key, strlen(key))) {
		line = strchr(line, '\n');
		if (!line)
			return -EINVAL;
		line++;
	}
	p = strstr(line, " total=");
	end = strchr(line, '\n');
	if (!p || (end && p > end))
		return -EINVAL;
	p += strlen(" total=");
	return shrink_parse_u64(&p, ret_total);
}

int shrink_stall_parse(const char *text, uint64_t *ret_some, uint64_t *ret_full)
{
	uint64_t some, full = 0;
	int r = total_of(text, "some ", &some);

	if (r < 0)
		return r;
	total_of(text, "full ", &full);
	*ret_some = some;
	*ret_full = full;
	return 0;
}
