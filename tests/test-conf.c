// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The configuration, key by key: every row of the table at and beyond its bounds,
 * precedence, threads, fork. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include "tests/conf-isolated.h"

/* @number, a decimal text, plus @step. */
static const char *near(const char *number, long long step)
{
	static char buf[32];
	long long v = (long long)strtoull(number, NULL, 10) + step;

	snprintf(buf, sizeof(buf), "%lld", v);
	return buf;
}

static int is_number(const struct shrink_conf_entry *e)
{
	return *e->min != '\0';
}

ISOLATED(defaults_are_in_force)
{
	struct shrink_conf_entry e;
	unsigned int n;

	for (n = 0; !shrink_conf_describe(n, &e); n++) {
		CHECK(value_is(e.name, e.def));
		CHECK(*e.help != '\0');
	}
	CHECK(n >= 30);
	CHECK(shrink_conf_describe(n, &e) == -ENOENT);
	CHECK(shrink_conf_describe(0, NULL) == -EINVAL);
}

ISOLATED(every_number_round_trips_at_its_bounds)
{
	struct shrink_conf_entry e;

	for (unsigned int i = 0; !shrink_conf_describe(i, &e); i++) {
		if (!is_number(&e))
			continue;
		CHECK(set(e.name, e.min) == 0 && value_is(e.name, e.min));
		CHECK(set(e.name, e.max) == 0 && value_is(e.name, e.max));
		CHECK(set(e.name, e.def) == 0 && value_is(e.name, e.def));
	}
}

ISOLATED(a_number_beyond_its_bounds_is_refused)
{
	struct shrink_conf_entry e;

	for (unsigned int i = 0; !shrink_conf_describe(i, &e); i++) {
		if (!is_number(&e))
			continue;
		CHECK(set(e.name, near(e.min, -1)) == -ERANGE);
		CHECK(set(e.name, near(e.max, 1)) == -ERANGE);
		CHECK(set(e.name, "18446744073709551616") == -ERANGE);
		CHECK(set(e.name, "99999999999999999999999999999999") == -ERANGE);
		CHECK(set(e.name, "-99999999999999999999999999999999") == -ERANGE);
		CHECK(value_is(e.name, e.def));
	}
}

ISOLATED(junk_is_refused)
{
	static const char *const junk[] = {"",   " ",     "-",   "+1",  "0x10", "1.5", "1 2",
					   "1e3", "ten",  "1kk", "1K2", "--1",  "1,2", "K",
					   "1\n", "true1", "\xff"};
	struct shrink_conf_entry e;

	for (unsigned int i = 0; !shrink_conf_describe(i, &e); i++) {
		if (!is_number(&e) && !*e.max)
			continue; /* a text takes anything */
		for (size_t j = 0; j < SHRINK_ARRAY_SIZE(junk); j++)
			CHECK(set(e.name, junk[j]) == -EINVAL);
		CHECK(value_is(e.name, e.def));
	}
	CHECK(set("log", "1K") == -EINVAL); /* only bytes take suffixes */
}

ISOLATED(sizes_take_suffixes)
{
	CHECK(!set("low_bytes", "64K") && value_is("low_bytes", "65536"));
	CHECK(!set("low_bytes", "3m") && value_is("low_bytes", "3145728"));
	CHECK(!set("low_bytes", "2GiB") && value_is("low_bytes", "2147483648"));
	CHECK(!set("low_bytes", "1TB") && value_is("low_bytes", "1099511627776"));
	CHECK(!set("low_bytes", "7B") && value_is("low_bytes", "7"));
	CHECK(set("low_bytes", "1025T") == -ERANGE);
	CHECK(set("low_bytes", "18014398509481984K") == -ERANGE);
	CHECK(value_is("low_bytes", "7"));
}

/* Each of the words in turn, as the table lists them. */
static void check_words(const struct shrink_conf_entry *e)
{
	char words[128], *save, *word;

	snprintf(words, sizeof(words), "%s", e->max);
	for (word = strtok_r(words, "|", &save); word; word = strtok_r(NULL, "|", &save))
		CHECK(!set(e->name, word) && value_is(e->name, word));
	CHECK(set(e->name, "|") == -EINVAL);
	CHECK(set(e->name, e->max) == -EINVAL);
}

ISOLATED(every_word_round_trips)
{
	struct shrink_conf_entry e;

	for (unsigned int i = 0; !shrink_conf_describe(i, &e); i++)
		if (strchr(e.max, '|'))
			check_words(&e);
	CHECK(set("arith", "linux-5.1") == -EINVAL);
	CHECK(set("arith", "1") == -EINVAL);
}

ISOLATED(switches_take_both_kinds_of_word)
{
	CHECK(!set("strict", "on") && value_is("strict", "true"));
	CHECK(!set("strict", "0") && value_is("strict", "false"));
	CHECK(!set("psi", "false") && value_is("psi", "off"));
	CHECK(!set("psi", "1") && value_is("psi", "on"));
	CHECK(set("psi", "yes") == -EINVAL);
	CHECK(set("release", "true") == -EINVAL); /* off|auto is no switch */
}

ISOLATED(texts_are_bounded)
{
	char text[300];

	memset(text, 'x', sizeof(text));
	text[255] = '\0';
	CHECK(!set("sysroot", text) && value_is("sysroot", text));
	text[255] = 'x';
	text[256] = '\0';
	CHECK(set("sysroot", text) == -ERANGE);
	CHECK(!set("sysroot", "") && value_is("sysroot", ""));
}

ISOLATED(arguments_are_checked)
{
	char buf[4] = "abc";

	CHECK(shrink_conf_set_one(NULL, "1", SHRINK_CONF_API) == -EINVAL);
	CHECK(shrink_conf_set_one("log", NULL, SHRINK_CONF_API) == -EINVAL);
	CHECK(set("nonsense", "1") == -ENOENT);
	CHECK(set("", "1") == -ENOENT);
	CHECK(shrink_conf_text(NULL, buf, sizeof(buf)) == -EINVAL);
	CHECK(shrink_conf_text("log", NULL, 1) == -EINVAL);
	CHECK(shrink_conf_text("nonsense", buf, sizeof(buf)) == -ENOENT);
	CHECK(!strcmp(buf, "abc"));
	CHECK(shrink_conf_text("arith", NULL, 0) == (int)strlen("linux-5.13"));
	CHECK(shrink_conf_text("arith", buf, sizeof(buf)) == (int)strlen("linux-5.13"));
	CHECK(!strcmp(buf, "lin"));
	CHECK(shrink_conf_kept_errors(NULL, 1) == -EINVAL);
	CHECK(logged == 0); /* the caller was told, nobody else */
}

/* Weaker, equal and stronger origin in each order: the value of the stronger stands,
 * the later of equals. */
static void check_precedence(const char *key, enum shrink_conf_origin a,
			     enum shrink_conf_origin b)
{
	int r;

	CHECK(shrink_conf_set_one(key, "11", a) == 0);
	r = shrink_conf_set_one(key, "22", b);
	CHECK(r == (b < a ? -EPERM : 0));
	CHECK(value_is(key, b < a ? "11" : "22"));
}

static enum shrink_conf_origin first, second;

static void precedence_child(void)
{
	check_precedence("low_percent", first, second);
	check_precedence("cache.a*.keep", first, second);
	CHECK(value_is("log", "6")); /* per key */
}

static void precedence_is_environment_api_symbol_default(void)
{
	for (int a = SHRINK_CONF_PROGRAM; a <= SHRINK_CONF_ENV; a++)
		for (int b = SHRINK_CONF_PROGRAM; b <= SHRINK_CONF_ENV; b++) {
			first = (enum shrink_conf_origin)a;
			second = (enum shrink_conf_origin)b;
			ASSERT_INT(isolated(precedence_child), 0);
		}
}

ISOLATED(a_text_overruled_is_no_error)
{
	CHECK(shrink_conf_parse("log:3", SHRINK_CONF_ENV) == 0);
	CHECK(shrink_conf_parse("log:4,psi:off", SHRINK_CONF_PROGRAM) == 0);
	CHECK(value_is("log", "3") && value_is("psi", "off"));
	CHECK(shrink_conf_parse("log:x", SHRINK_CONF_PROGRAM) == 1);
}

ISOLATED(loading_happens_once)
{
	CHECK(!shrink_conf_loaded());
	CHECK(shrink_conf_load_once("log:2,psi:off,bad:1", "log:3") == 1);
	CHECK(shrink_conf_loaded());
	CHECK(value_is("log", "3") && value_is("psi", "off"));
	CHECK(shrink_conf_load_once("worse:1", "log:5,worst:1") == 1);
	CHECK(value_is("log", "3"));
	CHECK(set("log", "4") == -EPERM && !set("psi", "on"));
	CHECK(logged == 1);
}

static atomic_int stop;

static void *hammer(void *arg)
{
	struct shrink_cache_rule r;
	char buf[128];

	for (unsigned int i = (unsigned int)(uintptr_t)arg; !atomic_load(&stop); i++) {
		snprintf(buf, sizeof(buf), "low_percent:%u,cache.k%u.keep:1,sysroot:/%u,bad%u:1",
			 i % 50, i % 8, i, i);
		shrink_conf_parse(buf, SHRINK_CONF_PROGRAM);
		set("high_bytes", i % 2 ? "1K" : "2K");
		shrink_conf_text("sysroot", buf, sizeof(buf));
		shrink_conf_kept_errors(buf, sizeof(buf));
		shrink_conf_rule_for("k3", &r);
		if (SHRINK_TUN(low_percent) > 50)
			abort();
	}
	return NULL;
}

static void ignore_line(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

ISOLATED(any_thread_at_any_time)
{
	pthread_t threads[4];

	shrink_set_log(ignore_line, NULL);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, hammer, (void *)i));
	usleep(200000);
	atomic_store(&stop, 1);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(shrink_conf_kept_errors(NULL, 0) > 0);
}

/* One fork amid the hammering; the child must not find the lock held. */
static int fork_once(void)
{
	int status = -1;
	pid_t pid;

	shrink_conf_fork_prepare();
	pid = fork();
	if (!pid) {
		shrink_conf_fork_child();
		alarm(10);
		_exit(set("log", "3") != 0);
	}
	shrink_conf_fork_parent();
	waitpid(pid, &status, 0);
	return status;
}

ISOLATED(fork_finds_the_lock_free)
{
	pthread_t threads[2];

	shrink_set_log(ignore_line, NULL);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, hammer, (void *)i));
	for (int i = 0; i < 50; i++)
		CHECK(fork_once() == 0);
	atomic_store(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
#define T(fn) {#fn, fn}
		T(defaults_are_in_force),
		T(every_number_round_trips_at_its_bounds),
		T(a_number_beyond_its_bounds_is_refused),
		T(junk_is_refused),
		T(sizes_take_suffixes),
		T(every_word_round_trips),
		T(switches_take_both_kinds_of_word),
		T(texts_are_bounded),
		T(arguments_are_checked),
		T(precedence_is_environment_api_symbol_default),
		T(a_text_overruled_is_no_error),
		T(loading_happens_once),
		T(any_thread_at_any_time),
		T(fork_finds_the_lock_free),
		{NULL, NULL},
	};

	return test_main(argc, argv, "configuration", tests);
}
