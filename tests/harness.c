// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/harness.h"

static char skip_reason[256];
static int number, failed;

void test_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(skip_reason, sizeof(skip_reason), fmt, args);
	va_end(args);
}

void test_assert_int(long long actual, long long expected, const char *what, const char *file,
		     int line)
{
	char text[256];

	snprintf(text, sizeof(text), "%s is %lld, expected %lld", what, actual, expected);
	CU_assertImplementation(actual == expected, (unsigned int)line, text, file, "", CU_FALSE);
}

static void begin(const CU_pTest test, const CU_pSuite suite)
{
	(void)test;
	(void)suite;
	skip_reason[0] = '\0';
}

static void complete(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failure)
{
	(void)suite;
	number++;
	if (failure) {
		failed++;
		printf("not ok %d - %s\n", number, test->pName);
		for (CU_pFailureRecord f = failure; f; f = f->pNext)
			printf("# %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
	} else if (skip_reason[0]) {
		printf("ok %d - %s # SKIP %s\n", number, test->pName, skip_reason);
	} else {
		printf("ok %d - %s\n", number, test->pName);
	}
	fflush(stdout);
}

int test_main(int argc, char **argv, const char *suite_name, const struct test *tests)
{
	CU_pSuite suite;
	int n = 0;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 99;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (const struct test *t = tests; t->name; t++) {
		if (argc > 1 && !strstr(t->name, argv[1]))
			continue;
		CU_add_test(suite, t->name, t->fn);
		n++;
	}
	printf("1..%d\n", n);
	fflush(stdout);
	CU_set_test_start_handler(begin);
	CU_set_test_complete_handler(complete);
	CU_run_all_tests();
	CU_cleanup_registry();
	return failed != 0;
}

/* Children of fork() start threads here (G10), which ThreadSanitizer refuses. */
#if defined(__SANITIZE_THREAD__)
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif
