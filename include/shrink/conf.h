/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Configuration and the library's voice. Keys, units, defaults and ranges:
 * libshrink.conf(5), which is made from the same table the parser reads.
 *
 * Precedence: environment LIBSHRINK_CONF > shrink_conf_set() > the program's
 * `shrink_conf` symbol > default. A setuid program ignores the environment.
 */
#ifndef SHRINK_CONF_H
#define SHRINK_CONF_H

#include <shrink/attr.h>

SHRINK_BEGIN_DECLS

/**
 * shrink_conf - the program's own configuration
 *
 * Not the library's symbol but the program's, which may define it, in C or C++:
 * const char *shrink_conf = "low_percent:4"; the same text as in LIBSHRINK_CONF,
 * read once, together with that.
 */
extern const char *shrink_conf;

/**
 * shrink_conf_set() - set one tunable
 * @key: as in LIBSHRINK_CONF, also per-cache keys such as "cache.dns-*.keep"
 * @value: its text; a range error leaves the old value
 *
 * Most keys take effect at once, those the manual marks "at start" with the
 * next shrink_start(). Any thread, not from callbacks.
 *
 * Return: 0; -EINVAL: NULL or unreadable value; -ENOENT: no such key; -ERANGE:
 * out of range; -EPERM: the environment has set this key, which wins;
 * -ENAMETOOLONG: a cache's pattern of more than 63 bytes; -ENOSPC: the 64 places
 * for per-cache keys are taken.
 */
int shrink_conf_set(const char *key, const char *value);

/**
 * shrink_conf_get() - the value in force, as text that shrink_conf_set() takes
 *
 * A per-cache key has a value only as it was set, pattern and all.
 *
 * Return: the full length, @buf is cut to @size; -EINVAL: NULL, but @buf may be
 * if @size is 0; -ENOENT: no such key, or a per-cache key that is not set.
 */
int shrink_conf_get(const char *key, char *buf, size_t size);

/**
 * shrink_conf_errors() - what was wrong with the configuration
 * @buf: takes one line per error, as logged, each ended by a newline, as far as
 *       they fit; may be NULL if @size is 0
 *
 * Errors are those of LIBSHRINK_CONF and of `shrink_conf`; what was wrong with a
 * shrink_conf_set() it has returned itself. About 4 KiB of lines are kept, the
 * others are counted in a last line.
 *
 * Return: the number of errors since the process began; 0 = none; -EINVAL.
 */
int shrink_conf_errors(char *buf, size_t size);

/** A tunable as the table has it; strings are static. */
struct shrink_conf_entry {
	const char *name;
	const char *unit; /**< "" = none */
	const char *def;  /**< default, as text */
	const char *min;  /**< "" = not a range */
	const char *max;  /**< for words: the words, parted by '|' */
	const char *help;
};

/**
 * shrink_conf_entry() - walk the table
 * @index: 0, 1, ...
 *
 * Return: 0 with *@ret_entry written; -ENOENT: past the end; -EINVAL.
 */
int shrink_conf_entry(unsigned int index, struct shrink_conf_entry *ret_entry);

/** How grave a line is. */
enum shrink_log_level {
	SHRINK_LOG_ERR = 3,
	SHRINK_LOG_WARNING = 4,
	SHRINK_LOG_INFO = 6,
	SHRINK_LOG_DEBUG = 7
};

/**
 * shrink_set_log() - where the library's lines go
 * @log: called with one line, no newline, from any of the library's threads
 *       and of the application's that call it, never with a library lock held;
 *       NULL = the default: warnings to stderr until shrink_start(), then
 *       nowhere
 * @arg: handed to it
 */
void shrink_set_log(void (*log)(void *arg, enum shrink_log_level level, const char *line),
		    void *arg);

SHRINK_END_DECLS

#endif /* SHRINK_CONF_H */
