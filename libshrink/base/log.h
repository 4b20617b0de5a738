/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The library's voice. One line per call, formatted on the stack: logging never
 * allocates (G6). Never call it with a library lock held: the line goes to the
 * application's callback.
 */
#ifndef SHRINK_BASE_LOG_H
#define SHRINK_BASE_LOG_H

#include <shrink/conf.h>

void shrink_log(enum shrink_log_level level, const char *fmt, ...) SHRINK_PRINTF(2, 3);

#define shrink_err(...) shrink_log(SHRINK_LOG_ERR, __VA_ARGS__)
#define shrink_warn(...) shrink_log(SHRINK_LOG_WARNING, __VA_ARGS__)
#define shrink_info(...) shrink_log(SHRINK_LOG_INFO, __VA_ARGS__)
#define shrink_debug(...) shrink_log(SHRINK_LOG_DEBUG, __VA_ARGS__)

/* From shrink_start() on, stderr is the program's: a good guest is silent. */
void shrink_log_quiet(int quiet);

/* In the child of fork(): another thread may have held the lock. */
void shrink_log_fork_child(void);

#endif /* SHRINK_BASE_LOG_H */
