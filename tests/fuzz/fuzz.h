/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A fuzzer: one function that takes any bytes for what a file or a variable may hold,
 * hands them to a parser, and checks what must be true of the result: bounds, a round
 * trip, or what naive code that shares nothing with the parser makes of the same text.
 *
 * Each file defines FUZZER, its name, and LLVMFuzzerTestOneInput(). Two drivers:
 * libFuzzer, by `make fuzz`, which looks for new inputs; and tests/test-fuzz, in every
 * build, which replays the corpus in tests/data/fuzz and mutants of it that are the same
 * in each run. There all are linked into one program, so each gets a name of its own.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZ_REPLAY
#define FUZZ_JOIN_(name) fuzz_##name
#define FUZZ_JOIN(name) FUZZ_JOIN_(name)
#define LLVMFuzzerTestOneInput FUZZ_JOIN(FUZZER)
/* The driver's: this input fails; the next one is tried. */
_Noreturn void fuzz_failed(const char *file, int line, const char *what);
#else
static inline _Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fuzz_failed(__FILE__, __LINE__, #cond);                                    \
	} while (0)

/* The input up to its first NUL as a text in memory of just its size, so that who reads
 * behind its end is caught. To be freed. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	char *text = malloc(len + 1);

	if (!text)
		abort();
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

static inline char *fuzz_copy(const char *text)
{
	return fuzz_text((const uint8_t *)text, strlen(text));
}

#endif /* TESTS_FUZZ_FUZZ_H */
