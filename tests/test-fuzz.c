// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * All fuzzers without a fuzzer: each gets its corpus, every beginning of it, and then
 * mutants of it, made from a seed, so that each run is the same run. FUZZ_ROUNDS says how
 * many; TEST_SEED makes others. An input that fails is left in the current folder.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/base/bits.h>

#include "tests/fuzz/fuzz.h"
#include "tests/harness.h"
#include "tests/random.h"

#define FUZZERS(X)                                                                                 \
	X(base64) X(cgroup) X(cgroup_below) X(conf) X(events) X(field) X(lines) X(meminfo)         \
	X(mountinfo) X(node_list) X(node_meminfo) X(number) X(psi) X(replay) X(stat)               \
	X(trace_format) X(triggers) X(tsv) X(watch) X(zoneinfo)

#define INPUT_MAX 8192
#define CORPUS_MAX 256
#define ROUNDS 5000

struct input {
	size_t size;
	uint8_t data[INPUT_MAX];
};

static struct input *corpus[CORPUS_MAX];
static int nr_corpus;

static jmp_buf back;
static char why[512];

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	snprintf(why, sizeof(why), "%s:%d: %s", file, line, what);
	longjmp(back, 1);
}

typedef int (*fuzzer)(const uint8_t *data, size_t size);

/* Memory of just its size: who reads behind its end is caught. */
static int survives(fuzzer fn, const struct input *in)
{
	uint8_t *copy = malloc(in->size ? in->size : 1);

	memcpy(copy, in->data, in->size);
	if (setjmp(back)) {
		free(copy);
		return 0;
	}
	fn(copy, in->size);
	free(copy);
	return 1;
}

/* False: it failed, and the test has. */
static int try(const char *name, fuzzer fn, const struct input *in)
{
	char path[128];
	FILE *f;

	if (survives(fn, in))
		return 1;
	snprintf(path, sizeof(path), "fuzz-%s-failed", name);
	f = fopen(path, "we");
	if (f) {
		fwrite(in->data, 1, in->size, f);
		fclose(f);
	}
	printf("# %s; input (%zu bytes): %s\n", why, in->size, path);
	CU_FAIL("an input makes it fail");
	return 0;
}

static int named(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void load(const char *dir, const char *name)
{
	struct input *in = calloc(1, sizeof(*in));
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	CU_ASSERT(f != NULL && nr_corpus < CORPUS_MAX);
	if (f && nr_corpus < CORPUS_MAX) {
		in->size = fread(in->data, 1, sizeof(in->data), f);
		corpus[nr_corpus++] = in;
	} else {
		free(in);
	}
	if (f)
		fclose(f);
}

/* Sorted by name, so that mutants are the same everywhere. */
static void load_all(const char *name)
{
	const char *top = getenv("top_srcdir");
	char dir[512];
	struct dirent **list = NULL;
	int n;

	snprintf(dir, sizeof(dir), "%s/tests/data/fuzz/%s", top ? top : "..", name);
	for (char *p = strrchr(dir, '/'); (p = strchr(p, '_'));)
		*p = '-';
	n = scandir(dir, &list, named, alphasort);
	CU_ASSERT(n > 0);
	for (int i = 0; i < n; i++) {
		load(dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

/* Makes room at @at, as far as there is any, for @len bytes of @data. */
static void insert(struct input *in, size_t at, const void *data, size_t len)
{
	if (len > INPUT_MAX - in->size)
		len = INPUT_MAX - in->size;
	memmove(in->data + at + len, in->data + at, in->size - at);
	memmove(in->data + at, data, len);
	in->size += len;
}

static void erase(struct input *in, size_t at, size_t len)
{
	if (len > in->size - at)
		len = in->size - at;
	memmove(in->data + at, in->data + at + len, in->size - at - len);
	in->size -= len;
}

/* What breaks parsers. */
static const char *const scraps[] = {
	"\n", "\n\n", " ", "\t", ":", ",", ";", "-", "=", "0", "1", "/", "/..", "\\040", "\\",
	"\"", "'", "max", "kB", " kB", "18446744073709551615", "18446744073709551616",
	"99999999999999999999", "18014398509481984", "total=", "memory", "Node 0", "0x", " - ",
	"#", "\r\n", "K", "some ", "full ", "cache.*.seeks:3", "off"};

static void mutate(struct input *in, struct random *rnd)
{
	size_t at = in->size ? random_below(rnd, in->size + 1) : 0;
	size_t len = 1 + random_below(rnd, 16);
	const struct input *other;
	const char *scrap;

	switch (random_below(rnd, 7)) {
	case 0:
		if (at < in->size)
			in->data[at] ^= (uint8_t)(1U << random_below(rnd, 8));
		break;
	case 1:
		if (at < in->size)
			in->data[at] = (uint8_t)random_next(rnd);
		break;
	case 2:
		erase(in, at, len);
		break;
	case 3: /* a part of itself once more */
		if (len <= in->size)
			insert(in, at, in->data + random_below(rnd, in->size - len + 1), len);
		break;
	case 4: /* the end of another one */
		other = corpus[random_below(rnd, (uint64_t)nr_corpus)];
		len = other->size ? random_below(rnd, other->size) : 0;
		in->size = at;
		insert(in, at, other->data + len, other->size - len);
		break;
	default:
		scrap = scraps[random_below(rnd, SHRINK_ARRAY_SIZE(scraps))];
		insert(in, at, scrap, strlen(scrap));
	}
}

static int replay_all(const char *name, fuzzer fn)
{
	int good = 1;

	for (int i = 0; good && i < nr_corpus; i++)
		good = try(name, fn, corpus[i]);
	return good;
}

/* Cut off anywhere. */
static int beginnings(const char *name, fuzzer fn)
{
	static struct input in;
	int good = 1;

	for (int i = 0; i < nr_corpus; i++) {
		in = *corpus[i];
		in.size = 0;
		for (; good && in.size < corpus[i]->size; in.size += 1 + in.size / 64)
			good = try(name, fn, &in);
	}
	return good;
}

static int mutants(const char *name, fuzzer fn)
{
	const char *text = getenv("FUZZ_ROUNDS");
	unsigned long rounds = text ? strtoul(text, NULL, 0) : ROUNDS;
	struct random rnd = random_new();
	static struct input in;
	int good = 1;

	for (unsigned long i = 0; good && i < rounds; i++) {
		in = *corpus[random_below(&rnd, (uint64_t)nr_corpus)];
		for (uint64_t n = 1 + random_below(&rnd, 4); n; n--)
			mutate(&in, &rnd);
		good = try(name, fn, &in);
	}
	return good;
}

static void with_corpus(const char *name, fuzzer fn, int (*run)(const char *name, fuzzer fn))
{
	load_all(name);
	CU_ASSERT(nr_corpus > 0);
	if (nr_corpus > 0)
		run(name, fn);
	while (nr_corpus > 0)
		free(corpus[--nr_corpus]);
}

static int beginnings_and_mutants(const char *name, fuzzer fn)
{
	return beginnings(name, fn) && mutants(name, fn);
}

#define DEFINE(name)                                                                               \
	int fuzz_##name(const uint8_t *data, size_t size);                                         \
	static void replay_##name(void)                                                            \
	{                                                                                          \
		with_corpus(#name, fuzz_##name, replay_all);                                       \
	}                                                                                          \
	static void mutants_##name(void)                                                           \
	{                                                                                          \
		with_corpus(#name, fuzz_##name, beginnings_and_mutants);                           \
	}
FUZZERS(DEFINE)

#define LIST(name) {"corpus: " #name, replay_##name}, {"mutants: " #name, mutants_##name},

static const struct test tests[] = {FUZZERS(LIST) {NULL, NULL}};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "fuzz", tests);
}
