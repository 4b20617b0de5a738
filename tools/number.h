/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Numbers on the command lines of our tools. */
#ifndef TOOLS_NUMBER_H
#define TOOLS_NUMBER_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* All of @text, without sign or blanks, from @min to @max; else false, and *ret is as
 * it was. */
static inline bool number_parse(const char *text, int base, uint64_t min, uint64_t max,
				uint64_t *ret)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, base);
	if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
		return false;
	*ret = value;
	return true;
}

#endif /* TOOLS_NUMBER_H */
