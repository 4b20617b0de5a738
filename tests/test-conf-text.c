// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The configuration as a text: its grammar, and what is said of errors in it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include "tests/conf-isolated.h"

struct grammar_case {
	const char *text;
	int errors;
	const char *key, *value; /* afterwards */
};

static const struct grammar_case grammar[] = {
	{"", 0, "log", "6"},
	{",", 0, "log", "6"},
	{",,log:3,,", 0, "log", "3"},
	{"log:3", 0, "log", "3"},
	{" \tlog : 3 \n, psi : off ", 0, "psi", "off"},
	{"\"log\":\"3\"", 0, "log", "3"},
	{"'log' : '3'", 0, "log", "3"},
	{"log:3,log:4", 0, "log", "4"},
	{"off", 0, "off", "true"},
	{" off ,log:3", 0, "log", "3"},
	{"off,off:false", 0, "off", "false"},
	{"\"off\"", 0, "off", "true"},
	{"sysroot:/a:b", 0, "sysroot", "/a:b"},
	{"sysroot:\"/a,b\"", 0, "sysroot", "/a,b"},
	{"sysroot:\"/a\\\"b\\\\c\"", 0, "sysroot", "/a\"b\\c"},
	{"sysroot:'/a\\b\"c'", 0, "sysroot", "/a\\b\"c"},
	{"sysroot:\" /a \"", 0, "sysroot", " /a "},
	{"sysroot: /a b ", 0, "sysroot", "/a b"},
	{"sysroot:/a,sysroot:", 0, "sysroot", ""},
	{"sysroot:''", 0, "sysroot", ""},
	{"\"cache.a:b,c.keep\":5", 0, "cache.a:b,c.keep", "5"},
	{"cache.a.b.keep:5", 0, "cache.a.b.keep", "5"},
	/* errors: what is wrong goes, what follows counts */
	{"log", 1, "log", "6"},
	{"log:", 1, "log", "6"},
	{":3", 1, "log", "6"},
	{"log:3:4,psi:off", 1, "psi", "off"},
	{"log:\"3,psi:off", 1, "psi", "off"},
	{"log:'3,psi:off", 1, "log", "6"},
	{"log:\"3\"4,psi:off", 1, "psi", "off"},
	{"log:\"3\"\"4\",psi:off", 1, "log", "6"},
	{"log:3\"4,5\",psi:off", 1, "psi", "off"},
	{"lo\"g:3\",psi:off", 1, "psi", "off"},
	{"\"log:3\",psi:off", 1, "psi", "off"},
	{"OFF", 1, "off", "false"},
	{"offf,log:3", 1, "log", "3"},
	{"log:99,nope:1,psi:maybe,arith:x", 4, "log", "6"},
	{"sysroot:\"a\\", 1, "sysroot", ""},
};

static const struct grammar_case *running;

static void grammar_child(void)
{
	CHECK(shrink_conf_parse(running->text, SHRINK_CONF_ENV) == running->errors);
	CHECK(value_is(running->key, running->value));
	CHECK(logged == (unsigned int)running->errors);
	CHECK(shrink_conf_kept_errors(NULL, 0) == running->errors);
	if (failures)
		printf("# text: %s\n", running->text);
}

static void the_grammar_is_as_documented(void)
{
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(grammar); i++) {
		running = &grammar[i];
		ASSERT_INT(isolated(grammar_child), 0);
	}
}

struct line_case {
	const char *text, *line;
};

static const struct line_case lines[] = {
	{"low_percent:99",
	 "LIBSHRINK_CONF: low_percent: \"99\" is out of range, allowed: 0 to 50 percent; 2 stays"},
	{"low_percent:-1",
	 "LIBSHRINK_CONF: low_percent: \"-1\" is out of range, allowed: 0 to 50 percent; 2 stays"},
	{"log:loud", "LIBSHRINK_CONF: log: \"loud\" is not a number, allowed: 0 to 7; 6 stays"},
	{"psi:perhaps",
	 "LIBSHRINK_CONF: psi: \"perhaps\" is no such word, allowed: off|on; on stays"},
	{"cache.x.weight:1001",
	 "LIBSHRINK_CONF: cache.x.weight: \"1001\" is out of range, allowed: 0 to 1000 percent; "
	 "no rule stays"},
	{"frobnicate:1", "LIBSHRINK_CONF: unknown key \"frobnicate\" (value \"1\") is ignored"},
	{"low_precent:1",
	 "LIBSHRINK_CONF: unknown key \"low_precent\" (value \"1\") is ignored; did you mean "
	 "\"low_percent\"?"},
	{"lowpercent:1", "LIBSHRINK_CONF: unknown key \"lowpercent\" (value \"1\") is ignored; did "
			 "you mean \"low_percent\"?"},
	{"Psi:1", "LIBSHRINK_CONF: unknown key \"Psi\" (value \"1\") is ignored; did you mean "
		  "\"psi\"?"},
	{"cache.a.*.sekes:1", "LIBSHRINK_CONF: unknown key \"cache.a.*.sekes\" (value \"1\") is "
			      "ignored; did you mean \"cache.a.*.seeks\"?"},
	{"cache.x:1", "LIBSHRINK_CONF: unknown key \"cache.x\" (value \"1\") is ignored"},
	{"cache..keep:1", "LIBSHRINK_CONF: unknown key \"cache..keep\" (value \"1\") is ignored"},
	{"psi", "LIBSHRINK_CONF: \"psi\" has no value, allowed: key:value, or off; it is ignored"},
	{"psi:'off",
	 "LIBSHRINK_CONF: \"psi:'off\" cannot be read, allowed: key:value, each in a pair of "
	 "quotes or in none; it is ignored"},
	{"psi:\"a\nfake: line\"", "LIBSHRINK_CONF: psi: \"a?fake: line\" is no such word, allowed: "
				  "off|on; on stays"},
};

static const struct line_case *wanted;

static void lines_child(void)
{
	char buf[600] = "", expected[600];

	shrink_conf_parse(wanted->text, SHRINK_CONF_ENV);
	shrink_conf_kept_errors(buf, sizeof(buf));
	snprintf(expected, sizeof(expected), "%s\n", wanted->line);
	CHECK(!strcmp(buf, expected));
	if (failures)
		printf("# said: %s# not: %s", buf, expected);
}

static void an_error_is_one_line_with_key_value_and_range(void)
{
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(lines); i++) {
		wanted = &lines[i];
		ASSERT_INT(isolated(lines_child), 0);
	}
}

ISOLATED(the_line_names_the_value_in_force)
{
	char buf[600] = "";

	shrink_conf_parse("low_percent:7,sysroot:/x", SHRINK_CONF_PROGRAM);
	shrink_conf_parse("low_percent:77", SHRINK_CONF_ENV);
	shrink_conf_kept_errors(buf, sizeof(buf));
	CHECK(strstr(buf, "; 7 stays\n") != NULL);
}

ISOLATED(kept_errors_are_bounded_and_counted)
{
	char buf[8192] = "", small[8] = "";

	for (int i = 0; i < 1000; i++)
		CHECK(shrink_conf_parse("nonsense:1", SHRINK_CONF_ENV) == 1);
	CHECK(shrink_conf_kept_errors(buf, sizeof(buf)) == 1000);
	CHECK(strlen(buf) < 5000);
	CHECK(strstr(buf, "more configuration errors\n") != NULL);
	CHECK(shrink_conf_kept_errors(small, sizeof(small)) == 1000);
	CHECK(!strcmp(small, "LIBSHRI"));
	CHECK(logged == 1000);
}

ISOLATED(one_text_logs_boundedly)
{
	static char text[20000];

	for (int i = 0; i < 1000; i++)
		strcat(text, "nonsense:1,");
	CHECK(shrink_conf_parse(text, SHRINK_CONF_ENV) == 1000);
	CHECK(logged > 10 && logged < 100);
}

static void reentrant(void *arg, enum shrink_log_level level, const char *line)
{
	(void)level;
	(void)line;
	*(int *)arg = shrink_conf_set_one("priority", "3", SHRINK_CONF_API);
}

ISOLATED(the_log_callback_may_configure)
{
	int r = -1;

	shrink_set_log(reentrant, &r);
	CHECK(shrink_conf_parse("nonsense:1", SHRINK_CONF_ENV) == 1);
	CHECK(r == 0 && value_is("priority", "3"));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
#define T(fn) {#fn, fn}
		T(the_grammar_is_as_documented),
		T(an_error_is_one_line_with_key_value_and_range),
		T(the_line_names_the_value_in_force),
		T(kept_errors_are_bounded_and_counted),
		T(one_text_logs_boundedly),
		T(the_log_callback_may_configure),
		{NULL, NULL},
	};

	return test_main(argc, argv, "configuration text", tests);
}
