// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>

/* Callback and argument belong together, so both are read under the lock; the
 * callback itself runs outside it, since it may well set another. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*log_fn)(void *, enum shrink_log_level, const char *);
static void *log_arg;
static int log_quiet;

void shrink_set_log(void (*log)(void *arg, enum shrink_log_level level, const char *line),
		    void *arg)
{
	pthread_mutex_lock(&log_lock);
	log_fn = log;
	log_arg = arg;
	pthread_mutex_unlock(&log_lock);
}

void shrink_log_quiet(int quiet)
{
	pthread_mutex_lock(&log_lock);
	log_quiet = quiet;
	pthread_mutex_unlock(&log_lock);
}

void shrink_log(enum shrink_log_level level, const char *fmt, ...)
{
	void (*fn)(void *, enum shrink_log_level, const char *);
	int saved_errno = errno, quiet;
	char line[512];
	va_list args;
	void *arg;

	if ((uint64_t)level > SHRINK_TUN(log))
		return;
	pthread_mutex_lock(&log_lock);
	fn = log_fn;
	arg = log_arg;
	quiet = log_quiet;
	pthread_mutex_unlock(&log_lock);
	if (!fn && (quiet || level > SHRINK_LOG_WARNING))
		return;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (fn)
		fn(arg, level, line);
	else
		fprintf(stderr, "libshrink: %s\n", line);
	errno = saved_errno;
}

void shrink_log_fork_child(void)
{
	pthread_mutex_init(&log_lock, NULL);
}
