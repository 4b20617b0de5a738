/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * CUnit with TAP output, so that `make check` counts every single test. A test
 * that cannot run here says why: SKIP("no v1 memory controller").
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <CUnit/CUnit.h>

struct test {
	const char *name; /* begins with the promise it proves: "G4: ..." */
	void (*fn)(void);
};

/* Runs the tests in order, or only those whose name contains argv[1]; returns
 * the exit status for main(). */
int test_main(int argc, char **argv, const char *suite, const struct test *tests);

/* Marks the running test as skipped; return from it at once. */
void test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define SKIP(...)                                                                                  \
	do {                                                                                       \
		test_skip(__VA_ARGS__);                                                            \
		return;                                                                            \
	} while (0)

/* CU_ASSERT with both numbers in the message. */
#define ASSERT_INT(actual, expected)                                                               \
	test_assert_int((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)
void test_assert_int(long long actual, long long expected, const char *what, const char *file,
		     int line);

#endif /* TESTS_HARNESS_H */
