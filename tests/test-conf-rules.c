// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Per-cache rules: which cache they match, which of several wins, their bounds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include "tests/conf-isolated.h"

ISOLATED(rules_match_and_merge)
{
	struct shrink_cache_rule r;

	shrink_conf_rule_for("dns", &r);
	CHECK(r.set == 0 && r.env == 0 && r.weight == 100 && r.enabled == 1);
	CHECK(!set("cache.*.keep", "1") && !set("cache.d?s.seeks", "9"));
	CHECK(!set("cache.dns-*.keep", "2") && !set("cache.dns-answers.weight", "0"));
	CHECK(!set("cache.dns-answers.enabled", "false"));
	shrink_conf_rule_for("dns-answers", &r);
	CHECK(r.set == (SHRINK_RULE_KEEP | SHRINK_RULE_WEIGHT | SHRINK_RULE_ENABLED));
	CHECK(r.keep == 2 && r.weight == 0 && r.enabled == 0 && r.seeks == 2);
	shrink_conf_rule_for("dns", &r);
	CHECK(r.set == (SHRINK_RULE_KEEP | SHRINK_RULE_SEEKS) && r.keep == 1 && r.seeks == 9);
}

ISOLATED(the_later_rule_wins_unless_weaker)
{
	struct shrink_cache_rule r;

	CHECK(!set("cache.a*.keep", "1") && !set("cache.*.keep", "2"));
	shrink_conf_rule_for("abc", &r);
	CHECK(r.keep == 2);
	CHECK(!set("cache.a*.keep", "3")); /* given again: the latest now */
	shrink_conf_rule_for("abc", &r);
	CHECK(r.keep == 3 && r.env == 0);
	CHECK(shrink_conf_parse("cache.??c.keep:4", SHRINK_CONF_ENV) == 0);
	CHECK(!set("cache.abc.keep", "5"));
	CHECK(set("cache.??c.keep", "6") == -EPERM);
	shrink_conf_rule_for("abc", &r);
	CHECK(r.keep == 4 && r.env == SHRINK_RULE_KEEP);
	shrink_conf_rule_for("abd", &r);
	CHECK(r.keep == 3);
}

static int matches(const char *glob, const char *name)
{
	struct shrink_cache_rule r;
	char key[128];

	snprintf(key, sizeof(key), "cache.%s.keep", glob);
	CHECK(!set(key, "77"));
	shrink_conf_rule_for(name, &r);
	CHECK(!set(key, "0"));
	return r.keep == 77;
}

ISOLATED(globs)
{
	CHECK(matches("abc", "abc") && !matches("abc", "abcd") && !matches("abc", "ab"));
	CHECK(matches("*", "") && matches("**", "x") && !matches("?", ""));
	CHECK(matches("a*c", "ac") && matches("a*c", "abcbc") && !matches("a*c", "abcb"));
	CHECK(matches("*ab*ab", "abxabab") && !matches("*ab*ab", "ab"));
	CHECK(matches("a.b", "a.b") && matches("?.*", "x.y.z") && !matches("a.b", "axb"));
	CHECK(matches("[a]", "[a]") && !matches("[a]", "a")); /* no classes */
}

ISOLATED(rule_values_have_bounds)
{
	CHECK(!set("cache.x.seeks", "0") && !set("cache.x.seeks", "1000000"));
	CHECK(set("cache.x.seeks", "1000001") == -ERANGE);
	CHECK(!set("cache.x.keep", "1099511627776") && value_is("cache.x.keep", "1099511627776"));
	CHECK(set("cache.x.keep", "1099511627777") == -ERANGE);
	CHECK(!set("cache.x.weight", "1000") && set("cache.x.weight", "1001") == -ERANGE);
	CHECK(!set("cache.x.enabled", "0") && value_is("cache.x.enabled", "false"));
	CHECK(!set("cache.x.enabled", "true") && set("cache.x.enabled", "2") == -EINVAL);
	CHECK(set("cache.x.", "1") == -ENOENT && set("cache.x", "1") == -ENOENT);
	CHECK(set("cache..keep", "1") == -ENOENT && set("cache.", "1") == -ENOENT);
	CHECK(shrink_conf_text("cache.y.keep", NULL, 0) == -ENOENT);
	CHECK(shrink_conf_text("cache.x.nope", NULL, 0) == -ENOENT);
}

ISOLATED(the_rule_table_has_an_end)
{
	char key[100], buf[600] = "";

	for (int i = 0; i < 64; i++) {
		snprintf(key, sizeof(key), "cache.c%d.keep", i);
		CHECK(!set(key, "1"));
	}
	CHECK(set("cache.c64.keep", "1") == -ENOSPC);
	CHECK(!set("cache.c0.keep", "2") && value_is("cache.c0.keep", "2"));
	CHECK(shrink_conf_parse("cache.c64.keep:1", SHRINK_CONF_ENV) == 1);
	shrink_conf_kept_errors(buf, sizeof(buf));
	CHECK(strstr(buf, "the table of cache rules is full, allowed: 64 rules") != NULL);
	snprintf(key, sizeof(key), "cache.%063d.keep", 0);
	CHECK(set(key, "1") == -ENOSPC);
	snprintf(key, sizeof(key), "cache.%064d.keep", 0);
	CHECK(set(key, "1") == -ENAMETOOLONG);
}

static int told;

static void tell(void)
{
	struct shrink_cache_rule r;

	told++;
	shrink_conf_rule_for("x", &r); /* would deadlock if the lock were held */
}

ISOLATED(changes_of_rules_are_told)
{
	shrink_conf_on_rules_changed(tell);
	CHECK(!set("cache.x.keep", "1") && told == 1);
	CHECK(!set("log", "3") && told == 1);
	CHECK(set("cache.x.keep", "x") == -EINVAL && told == 1);
	CHECK(!shrink_conf_parse("cache.x.keep:2,cache.y.keep:3", SHRINK_CONF_ENV) && told == 2);
	CHECK(set("cache.x.keep", "1") == -EPERM && told == 2);
	shrink_conf_on_rules_changed(NULL);
	CHECK(!set("cache.z.keep", "1") && told == 2);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
#define T(fn) {#fn, fn}
		T(rules_match_and_merge),
		T(the_later_rule_wins_unless_weaker),
		T(globs),
		T(rule_values_have_bounds),
		T(the_rule_table_has_an_end),
		T(changes_of_rules_are_told),
		{NULL, NULL},
	};

	return test_main(argc, argv, "configuration rules", tests);
}
