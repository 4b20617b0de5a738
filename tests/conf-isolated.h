/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * For tests that change the configuration: each runs in a child of its own, so that
 * it begins with the defaults and leaves none of its values behind.
 */
#ifndef TESTS_CONF_ISOLATED_H
#define TESTS_CONF_ISOLATED_H

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/base/conf.h>
#include "tests/harness.h"

static int failures; /* in the child */

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);                        \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

static inline void count_line(void *arg, enum shrink_log_level level, const char *line)
{
	(void)level;
	(void)line;
	++*(unsigned int *)arg;
}

static unsigned int logged;

/* Runs @fn in a child; returns its failures. */
static inline int isolated(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(60);
		shrink_set_log(count_line, &logged);
		fn();
		fflush(stdout);
		_exit(failures > 100 ? 100 : failures);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define ISOLATED(name)                                                                             \
	static void name##_child(void);                                                            \
	static void name(void)                                                                     \
	{                                                                                          \
		ASSERT_INT(isolated(name##_child), 0);                                             \
	}                                                                                          \
	static void name##_child(void)

static inline int set(const char *key, const char *value)
{
	return shrink_conf_set_one(key, value, SHRINK_CONF_API);
}

static inline int value_is(const char *key, const char *expected)
{
	char buf[300] = "";
	int r = shrink_conf_text(key, buf, sizeof(buf));

	if (r == (int)strlen(expected) && !strcmp(buf, expected))
		return 1;
	printf("# %s is \"%s\" (%d), expected \"%s\"\n", key, buf, r, expected);
	return 0;
}

#endif /* TESTS_CONF_ISOLATED_H */
