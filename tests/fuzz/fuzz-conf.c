// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The configuration. Without quotes its grammar is simple enough to be written down
 * twice; with them, what a text has set can be written out, quoted, and read again.
 * with: base/conf.c base/conf-parse.c base/conf-report.c base/conf-rules.c base/log.c
 * with: base/parse.c */
#define FUZZER conf
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/base/conf.h>

#define ORIGIN SHRINK_CONF_PROGRAM
#define TOKEN_MAX 319
#define BLANKS " \t\r\n"
#define STATE_SIZE 16384

static void silent(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

static void put(char *out, size_t *n, char c)
{
	FUZZ_CHECK(*n + 1 < STATE_SIZE);
	out[(*n)++] = c;
	out[*n] = '\0';
}

static void put_quoted(char *out, size_t *n, const char *text)
{
	put(out, n, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put(out, n, '\\');
		put(out, n, *text);
	}
	put(out, n, '"');
}

static void check_range(const struct shrink_conf_entry *e, const char *value)
{
	uint64_t v = strtoull(value, NULL, 10);

	if (*e->min)
		FUZZ_CHECK(v >= strtoull(e->min, NULL, 10) && v <= strtoull(e->max, NULL, 10));
	else if (strchr(e->max, '|'))
		FUZZ_CHECK(*value && strstr(e->max, value));
}

/* All values in force, as a text that sets them. */
static void write_out(char *out)
{
	struct shrink_conf_entry e;
	char value[300];
	size_t n = 0;

	for (unsigned int i = 0; !shrink_conf_describe(i, &e); i++) {
		int len = shrink_conf_text(e.name, value, sizeof(value));

		FUZZ_CHECK(len >= 0 && (size_t)len == strlen(value));
		check_range(&e, value);
		put_quoted(out, &n, e.name);
		put(out, &n, ':');
		put_quoted(out, &n, value);
		put(out, &n, ',');
	}
}

/* What the rules say of some caches, and the number of errors. */
struct rules {
	struct shrink_cache_rule rule[4];
	int errors;
};

static struct rules rules_now(int errors)
{
	static const char *const names[4] = {"a", "ab", "dns-answers", "x.y*"};
	struct rules r = {.errors = errors};

	for (int i = 0; i < 4; i++) {
		shrink_conf_rule_for(names[i], &r.rule[i]);
		FUZZ_CHECK(r.rule[i].weight <= 1000 && r.rule[i].seeks <= 1000000);
		FUZZ_CHECK(r.rule[i].enabled <= 1 && r.rule[i].keep <= 1ULL << 40);
	}
	return r;
}

static bool same(const struct rules *a, const struct rules *b)
{
	for (int i = 0; i < 4; i++)
		if (a->rule[i].set != b->rule[i].set || a->rule[i].seeks != b->rule[i].seeks ||
		    a->rule[i].keep != b->rule[i].keep || a->rule[i].weight != b->rule[i].weight ||
		    a->rule[i].enabled != b->rule[i].enabled)
			return false;
	return a->errors == b->errors;
}

static struct rules parse(const char *text, char *state)
{
	struct rules r;

	shrink_conf_forget();
	r = rules_now(shrink_conf_parse(text, ORIGIN));
	write_out(state);
	return r;
}

/* Blanks off both ends; false: it was too long before those behind it went. */
static bool trim(char **token)
{
	size_t len;

	*token += strspn(*token, BLANKS);
	len = strlen(*token);
	if (len > TOKEN_MAX)
		return false;
	while (len && strchr(BLANKS, (*token)[len - 1]))
		(*token)[--len] = '\0';
	return true;
}

/* One item without quotes; true: an error. */
static bool naive_item(char *item)
{
	char *value = strchr(item, ':'), *key = item;
	int r;

	if (!item[strspn(item, BLANKS)])
		return false;
	if (value)
		*value++ = '\0';
	if (!trim(&key) || (value && !trim(&value)))
		return true;
	if (!value && strcmp(key, "off"))
		return true;
	r = shrink_conf_set_one(key, value ? value : "true", ORIGIN);
	return r < 0 && r != -EPERM;
}

static void check_naive(const char *text, const struct rules *got, const char *state)
{
	static char expected[STATE_SIZE];
	char *copy = fuzz_copy(text), *rest = copy, *item;
	struct rules r;
	int errors = 0;

	shrink_conf_forget();
	while ((item = strsep(&rest, ",")))
		errors += naive_item(item);
	r = rules_now(errors);
	write_out(expected);
	FUZZ_CHECK(same(got, &r));
	FUZZ_CHECK(!strcmp(state, expected));
	free(copy);
}

/* Errors are kept one a line, and no line can be forged. */
static void check_errors(int errors)
{
	static char kept[8192];
	int lines = 0;

	FUZZ_CHECK(errors >= 0 && shrink_conf_kept_errors(kept, sizeof(kept)) == errors);
	for (const char *p = kept; *p; p++) {
		lines += *p == '\n';
		FUZZ_CHECK((unsigned char)*p >= ' ' || *p == '\n');
	}
	FUZZ_CHECK(lines <= errors && !lines == !errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char state[STATE_SIZE], again[STATE_SIZE];
	char *text = fuzz_text(data, size), *longer;
	struct rules first, second;

	shrink_set_log(silent, NULL);
	first = parse(text, state);
	check_errors(first.errors);
	if (!strpbrk(text, "\"'"))
		check_naive(text, &first, state);

	longer = malloc(strlen(text) + 3);
	sprintf(longer, ",%s,", text);
	second = parse(longer, again);
	FUZZ_CHECK(same(&first, &second) && !strcmp(state, again));
	free(longer);

	second = parse(state, again);
	FUZZ_CHECK(second.errors == 0 && !strcmp(state, again));
	free(text);
	return 0;
}
