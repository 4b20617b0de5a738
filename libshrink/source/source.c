// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include <libshrink/source/source.h>

/* States and reasons are written on the monitor and read by shrink_sources(). */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void shrink_source_lock(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_source_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

int shrink_source_fail(struct shrink_source *src, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	shrink_source_lock();
	vsnprintf(src->reason, sizeof(src->reason), fmt, args);
	shrink_source_unlock();
	va_end(args);
	return err;
}
