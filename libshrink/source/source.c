// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>

#include <libshrink/source/source.h>

int shrink_source_fail(struct shrink_source *src, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(src->reason, sizeof(src->reason), fmt, args);
	va_end(args);
	return err;
}
