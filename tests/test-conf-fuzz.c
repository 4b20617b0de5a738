// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Texts of configuration by the ten thousand. Well-formed ones are compared with
 * a model of what they must do; broken ones must break nothing: every value stays in
 * its range, every error is one clean line. A failure prints the seed and the text;
 * TEST_SEED and TEST_ROUNDS in the environment repeat or widen the run.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include "tests/harness.h"

#define ROUNDS 50000u
#define TEXT_SIZE 2048

static uint64_t seed, state;
static char text[TEXT_SIZE];
static size_t used;
static unsigned int lines, bad_lines;

/* xorshift64*: the same sequence everywhere */
static uint64_t next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static unsigned int below(unsigned int n)
{
	return (unsigned int)((next_random() >> 33) % n);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static void begin(void)
{
	seed = from_environment("TEST_SEED", 20260117);
	state = seed * 2 + 1;
}

static int failed(const char *what)
{
	printf("# %s: TEST_SEED=%" PRIu64 " text: %s\n", what, seed, text);
	return 0;
}

static void put(const char *s, size_t len)
{
	if (used + len + 1 < sizeof(text)) {
		memcpy(text + used, s, len);
		used += len;
	}
	text[used] = '\0';
}

static void put_str(const char *s)
{
	put(s, strlen(s));
}

static void put_blanks(void)
{
	for (unsigned int n = below(4) ? 0 : below(3); n; n--)
		put(&" \t\n\r"[below(4)], 1);
}

static void put_double_quoted(const char *s)
{
	put_str("\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || !below(8))
			put_str("\\");
		put(s, 1);
	}
	put_str("\"");
}

/* One of the ways to write a token that has neither quotes nor backslashes. */
static void put_token(const char *s)
{
	put_blanks();
	switch (below(3)) {
	case 0:
		put_str(s);
		break;
	case 1:
		put_double_quoted(s);
		break;
	default:
		put_str("'");
		put_str(s);
		put_str("'");
	}
	put_blanks();
}

static void pick_key(struct shrink_conf_entry *ret_entry)
{
	static unsigned int keys;

	while (!shrink_conf_describe(keys, ret_entry))
		keys++;
	shrink_conf_describe(below(keys), ret_entry);
}

/* One of the words of a|b|c. */
static void pick_word(const char *words, char *buf, size_t size)
{
	unsigned int n = 1, which;

	for (const char *p = words; *p; p++)
		n += *p == '|';
	which = below(n);
	for (; which; which--)
		words = strchr(words, '|') + 1;
	snprintf(buf, size, "%.*s", (int)strcspn(words, "|"), words);
}

/* A value within range, as shrink_conf_get() will give it back. */
static void pick_value(const struct shrink_conf_entry *e, char *buf, size_t size)
{
	uint64_t min = strtoull(e->min, NULL, 10), max = strtoull(e->max, NULL, 10);

	if (*e->min)
		snprintf(buf, size, "%" PRIu64, min + next_random() % (max - min + 1));
	else if (strchr(e->max, '|'))
		pick_word(e->max, buf, size);
	else
		snprintf(buf, size, "/r%u", below(1000));
}

static void sink(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	(void)level;
	lines++;
	for (const char *p = line; *p; p++)
		if (*p > 0 && *p < ' ')
			bad_lines++;
	if (strlen(line) >= 400 || !*line)
		bad_lines++;
}

/* The last of two items for a key decides; the others of the text cannot disturb. */
static int well_formed_once(void)
{
	struct shrink_conf_entry a, b;
	char va[32], vb[32], got[300];

	used = 0;
	pick_key(&a);
	pick_key(&b);
	pick_value(&a, va, sizeof(va));
	pick_value(&b, vb, sizeof(vb));
	put_str(below(4) ? "" : ",");
	put_token(a.name);
	put_str(":");
	put_token(va);
	put_str(below(4) ? "," : ",,");
	put_token(b.name);
	put_str(":");
	put_token(vb);
	put_str(below(4) ? "" : " ,");
	if (shrink_conf_parse(text, SHRINK_CONF_API))
		return failed("an error in a well-formed text");
	shrink_conf_text(b.name, got, sizeof(got));
	if (strcmp(got, vb))
		return failed("the second value did not arrive");
	shrink_conf_text(a.name, got, sizeof(got));
	if (strcmp(got, a.name == b.name ? vb : va))
		return failed("the first value did not arrive");
	return 1;
}

static void well_formed_texts_do_what_they_say(void)
{
	unsigned int n = (unsigned int)from_environment("TEST_ROUNDS", ROUNDS);
	int good = 1;

	begin();
	shrink_set_log(sink, NULL);
	for (unsigned int i = 0; good && i < n; i++)
		good = well_formed_once();
	CU_ASSERT_TRUE(good);
}

/* Scraps that look like configuration, and bytes that do not. */
static void put_scrap(void)
{
	static const char *const scraps[] = {
		",", ":", "\"", "'", "\\", " ", "off", "cache.", "*", ".keep", "?", "-", "0",
		"99999999999999999999", "1K", "\n", "cache.*.seeks:3", "\"cache.a:b.weight\":50",
		"strict:true", "linux-5.0", "sysroot:", "%s%n", "\xc3\xa4", "cache.zz.nothing:1"};
	struct shrink_conf_entry e;
	char byte;

	switch (below(8)) {
	case 0:
		byte = (char)(1 + below(255));
		put(&byte, 1);
		break;
	case 1:
	case 2:
		pick_key(&e);
		put(e.name, 1 + below((unsigned int)strlen(e.name)));
		break;
	case 3:
		for (unsigned int n = below(40) ? 0 : 400; n; n--)
			put_str("x");
		break;
	default:
		put_str(scraps[below(SHRINK_ARRAY_SIZE(scraps))]);
	}
}

static int in_range(const struct shrink_conf_entry *e)
{
	char got[300];
	uint64_t v;
	int len = shrink_conf_text(e->name, got, sizeof(got));

	if (len < 0 || (size_t)len >= sizeof(got) || strlen(got) != (size_t)len)
		return 0;
	if (!*e->min)
		return strchr(e->max, '|') ? strstr(e->max, got) != NULL : len < 256;
	v = strtoull(got, NULL, 10);
	return v >= strtoull(e->min, NULL, 10) && v <= strtoull(e->max, NULL, 10);
}

static int broken_once(unsigned int round)
{
	struct shrink_cache_rule rule;
	struct shrink_conf_entry e;
	int before = shrink_conf_kept_errors(NULL, 0), errors;

	used = 0;
	for (unsigned int n = below(16); n; n--)
		put_scrap();
	lines = 0;
	errors = shrink_conf_parse(text, SHRINK_CONF_PROGRAM);
	if (errors < 0 || shrink_conf_kept_errors(NULL, 0) != before + errors)
		return failed("errors and kept errors differ");
	if (lines != (unsigned int)errors || bad_lines)
		return failed("not one clean line for each error");
	shrink_conf_rule_for("ab", &rule);
	if (rule.weight > 1000 || rule.seeks > 1000000 || rule.enabled > 1)
		return failed("a rule is out of range");
	for (unsigned int i = round % 4; !shrink_conf_describe(i, &e); i += 4)
		if (!in_range(&e))
			return failed(e.name);
	return 1;
}

static void broken_texts_break_nothing(void)
{
	unsigned int n = (unsigned int)from_environment("TEST_ROUNDS", ROUNDS);
	int good = 1;

	begin();
	shrink_set_log(sink, NULL);
	/* All lines are to be seen, whatever the texts say */
	shrink_conf_set_one("log", "7", SHRINK_CONF_ENV);
	for (unsigned int i = 0; good && i < n; i++)
		good = broken_once(i);
	CU_ASSERT_TRUE(good);
	CU_ASSERT_TRUE(shrink_conf_kept_errors(NULL, 0) > 1000);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"well_formed_texts_do_what_they_say", well_formed_texts_do_what_they_say},
		{"broken_texts_break_nothing", broken_texts_break_nothing},
		{NULL, NULL},
	};

	return test_main(argc, argv, "configuration fuzz", tests);
}
