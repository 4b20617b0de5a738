// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The service manager's two variables: the first line is MEMORY_PRESSURE_WATCH, what
 * follows MEMORY_PRESSURE_WRITE, which may turn out to be a trigger.
 * with: base/base64.c base/conf.c base/conf-parse.c base/conf-report.c base/conf-rules.c
 * with: base/log.c base/parse.c os/fd.c os/watch.c source/source.c source/stall.c
 * with: source/systemd.c source/trigger.c */
#define FUZZER watch
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/base/base64.h>
#include <libshrink/source/systemd.h>
#include <libshrink/source/trigger.h>

/* Step by step; an empty one may only be the last, behind a final slash. */
static bool naive_plain(const char *path)
{
	char *copy = fuzz_copy(path), *rest = copy, *step = strsep(&rest, "/");
	bool good = !*step && rest;

	while (good && (step = strsep(&rest, "/")))
		good = (*step || !rest) && strcmp(step, ".") && strcmp(step, "..");
	free(copy);
	return good;
}

static void check_data(const char *text)
{
	char data[256], printed[64];
	long n = shrink_base64_decode(text, data, sizeof(data) - 1);
	struct shrink_trigger t = {.stall = 7}, again;
	const char *p = data, *q = printed;

	FUZZ_CHECK(n < (long)sizeof(data));
	if (n < 0)
		return;
	data[n] = '\0';
	if (shrink_trigger_parse(&p, &t) < 0) {
		FUZZ_CHECK(p == data && t.stall == 7);
		return;
	}
	FUZZ_CHECK(p > data && p <= data + n && t.level == SHRINK_LEVEL_LOW);
	FUZZ_CHECK(t.stall && t.stall <= t.window && t.window <= SHRINK_TRIGGER_WINDOW_MAX);
	snprintf(printed, sizeof(printed), "%s %llu %llu", t.full ? "full" : "some",
		 (unsigned long long)t.stall, (unsigned long long)t.window);
	FUZZ_CHECK(!shrink_trigger_parse(&q, &again) && !*q);
	FUZZ_CHECK(again.full == t.full && again.stall == t.stall && again.window == t.window);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = fuzz_text(data, size), *end = strchr(path, '\n'), *text;

	text = fuzz_copy(end ? end + 1 : "");
	if (end)
		*end = '\0';
	FUZZ_CHECK(shrink_systemd_is_plain(path) == naive_plain(path));
	check_data(text);
	free(text);
	free(path);
	return 0;
}
