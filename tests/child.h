/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* For tests that go on in a forked child. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <stdio.h>
#include <unistd.h>

/* In the child: a check that fails says so and ends it with 1. */
#define EXPECT(what)                                                                               \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			printf("# child: %s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			fflush(stdout);                                                            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* The same where there is nobody to return to. */
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			printf("# child: %s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			fflush(stdout);                                                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

#ifdef __SANITIZE_THREAD__
#define SKIP_TSAN() SKIP("ThreadSanitizer does not know such children")
#else
#define SKIP_TSAN() ((void)0)
#endif

#endif /* TESTS_CHILD_H */
