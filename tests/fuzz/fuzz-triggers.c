// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Lists of PSI triggers, psi_triggers of the configuration.
 * with: base/parse.c os/fd.c source/trigger.c */
#define FUZZER triggers
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/base/bits.h>
#include <libshrink/source/trigger.h>

static const char *const levels[] = {"low", "medium", "critical"};
static const enum shrink_level level[] = {SHRINK_LEVEL_LOW, SHRINK_LEVEL_MEDIUM,
					  SHRINK_LEVEL_CRITICAL};

static bool number(const char *word, uint64_t *ret)
{
	size_t at = 0;
	wide v;

	if (!naive_digits(word, &at, &v) || word[at] || v > SHRINK_TRIGGER_WINDOW_MAX)
		return false;
	*ret = (uint64_t)v;
	return true;
}

/* The words of one item: 1 = a trigger, 0 = there is nothing, -1 = something else. */
static int naive_item(char *item, struct shrink_trigger *ret)
{
	char *word[5], *rest = item;
	int n = 0;

	while (n < 5 && (word[n] = strtok_r(rest, " \t\n", &rest)))
		n++;
	if (n != 4)
		return n ? -1 : 0;
	ret->full = !strcmp(word[0], "full");
	if ((!ret->full && strcmp(word[0], "some")) || !number(word[1], &ret->stall) ||
	    !number(word[2], &ret->window) || !ret->stall || ret->stall > ret->window)
		return -1;
	for (int i = 0; i < 3; i++)
		if (!strcmp(word[3], levels[i])) {
			ret->level = level[i];
			return 1;
		}
	return -1;
}

static int naive(const char *text, struct shrink_trigger *ret)
{
	char *copy = fuzz_copy(text), *rest = copy, *item;
	struct shrink_trigger t;
	int n = 0, r = 0;

	while (r >= 0 && (item = strsep(&rest, ";"))) {
		r = naive_item(item, &t);
		if (r > 0 && n == SHRINK_TRIGGERS_MAX)
			r = -ENOSPC;
		else if (r > 0)
			ret[n++] = t;
		else if (r < 0)
			r = -EINVAL;
	}
	free(copy);
	return r < 0 ? r : n;
}

static bool same(const struct shrink_trigger *a, const struct shrink_trigger *b)
{
	return a->full == b->full && a->stall == b->stall && a->window == b->window &&
	       a->level == b->level;
}

static const char *name_of(enum shrink_level l)
{
	return l == level[0] ? levels[0] : l == level[1] ? levels[1] : levels[2];
}

static void print(const struct shrink_trigger *t, int n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < n; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s %llu %llu %s",
					 i ? "; " : "", t[i].full ? "full" : "some",
					 (unsigned long long)t[i].stall,
					 (unsigned long long)t[i].window,
					 name_of(t[i].level));
}

static void check(const char *text)
{
	struct shrink_trigger got[SHRINK_TRIGGERS_MAX], expected[SHRINK_TRIGGERS_MAX];
	struct shrink_trigger again[SHRINK_TRIGGERS_MAX];
	int n = shrink_triggers_parse(text, got);
	char printed[512];

	FUZZ_CHECK(n == naive(text, expected));
	for (int i = 0; i < n; i++)
		FUZZ_CHECK(same(&got[i], &expected[i]));
	if (n < 0)
		return;
	print(got, n, printed, sizeof(printed));
	FUZZ_CHECK(shrink_triggers_parse(printed, again) == n);
	for (int i = 0; i < n; i++)
		FUZZ_CHECK(same(&got[i], &again[i]));
}

/* Those made of two numbers are such that a list of them would be read. */
static void check_default(uint64_t stall, uint64_t window)
{
	struct shrink_trigger made[SHRINK_TRIGGERS_MAX], again[SHRINK_TRIGGERS_MAX];
	int n = shrink_triggers_default(stall, window, made);
	char printed[512];

	FUZZ_CHECK(n >= 2 && n <= SHRINK_TRIGGERS_MAX);
	print(made, n, printed, sizeof(printed));
	FUZZ_CHECK(shrink_triggers_parse(printed, again) == n);
	for (int i = 0; i < n; i++)
		FUZZ_CHECK(same(&made[i], &again[i]) && made[i].stall <= window);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	uint64_t a = 0, b = 0;

	check(text);
	for (size_t i = 0; i < size && i < 4; i++)
		a = a << 8 | data[i];
	for (size_t i = 4; i < size && i < 8; i++)
		b = b << 8 | data[i];
	/* within the ranges of psi_stall and psi_window */
	check_default(1000 + a % 9999001, 50000 + b % 9950001);
	free(text);
	return 0;
}
