// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Traces, "time,key,size[,tenant]": every line is a request or a bad line, and requests
 * for one key are for one key.
 * with: tools/replay/trace.c */
#define FUZZER replay
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <shrink/workingset.h>

#include "tools/replay/trace.h"

#ifndef FUZZ_REPLAY
/* The library's is not the matter here, and needs much of the library. */
uint64_t shrink_workingset_hash(const void *key, size_t size)
{
	const unsigned char *p = key;
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ULL;
	return hash;
}
#endif

#define LINES_MAX 200

struct said {
	char *key, *tenant;
	uint64_t size;
};

/* As good lines look, but for their time, which the reader knows better. */
static bool naive(char *line, struct said *ret)
{
	size_t at = 0;
	wide size;
	char *time, *text;

	line[strcspn(line, "\r")] = '\0';
	time = strsep(&line, ",");
	ret->key = strsep(&line, ",");
	text = strsep(&line, ",");
	ret->tenant = strsep(&line, ",");
	if (!text || line || !*time || !*ret->key)
		return false;
	if (!naive_digits(text, &at, &size) || text[at] || !size || size > UINT32_MAX)
		return false;
	ret->size = (uint64_t)size;
	ret->tenant = ret->tenant && *ret->tenant ? ret->tenant : NULL;
	return true;
}

static bool same_key(const struct said *a, const struct said *b)
{
	if (strcmp(a->key, b->key) || !a->tenant != !b->tenant)
		return false;
	return !a->tenant || !strcmp(a->tenant, b->tenant);
}

static void check_request(const struct trace *t, size_t i, const struct said *said)
{
	const struct request *r = &t->requests[i];

	FUZZ_CHECK(r->key < t->keys.nr && r->size == said[i].size);
	FUZZ_CHECK(r->size <= t->key[r->key].size);
	FUZZ_CHECK(!i || r->usec >= t->requests[i - 1].usec);
	FUZZ_CHECK(!t->key[r->key].tenant == !said[i].tenant);
	FUZZ_CHECK(t->key[r->key].tenant <= t->tenants.nr);
	for (size_t k = 0; k < i; k++)
		FUZZ_CHECK((t->requests[k].key == r->key) == same_key(&said[k], &said[i]));
}

static void check_sums(const struct trace *t)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < t->nr; i++)
		bytes += t->requests[i].size;
	FUZZ_CHECK(bytes == t->bytes && t->keys.nr <= t->nr && t->tenants.nr <= t->keys.nr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct said said[LINES_MAX];
	char *text = fuzz_text(data, size), *copy = fuzz_copy(text), *a = text, *b = copy, *line;
	struct trace t = {.nr = 0};
	const char *why;

	for (int i = 0; i < LINES_MAX && (line = strsep(&a, "\n")); i++) {
		uint64_t before = t.nr, bad = t.bad_lines;
		struct said one;
		bool good = naive(strsep(&b, "\n"), &one);

		FUZZ_CHECK(trace_line(&t, line, &why) == 0);
		FUZZ_CHECK(t.nr + t.bad_lines == before + bad + 1);
		FUZZ_CHECK((t.nr > before) == !why);
		FUZZ_CHECK(good || why);
		if (!why)
			said[before] = one;
	}
	for (size_t i = 0; i < t.nr; i++)
		check_request(&t, i, said);
	check_sums(&t);
	trace_free(&t);
	free(copy);
	free(text);
	return 0;
}
