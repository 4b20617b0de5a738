// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* memory.events and its .local (v2), memory.oom_control (v1).
 * with: base/conf.c base/conf-parse.c base/conf-report.c base/conf-rules.c base/log.c
 * with: base/parse.c os/cgroup-control.c os/fd.c source/events.c source/oom.c
 * with: source/source.c */
#define FUZZER events
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/source/events.h>

static uint64_t sum(const char *text, const char *a, const char *b, const char *c)
{
	return naive_narrow((wide)naive_or_0(text, a) + naive_or_0(text, b) +
			    (c ? naive_or_0(text, c) : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct shrink_events e = shrink_events_parse(text);
	uint64_t under, kills;

	FUZZ_CHECK(e.reached == sum(text, "high", "max", NULL));
	FUZZ_CHECK(e.oom == sum(text, "oom", "oom_kill", "oom_group_kill"));
	shrink_oom_parse(text, &under, &kills);
	FUZZ_CHECK(under == naive_or_0(text, "under_oom"));
	FUZZ_CHECK(kills == naive_or_0(text, "oom_kill"));
	free(text);
	return 0;
}
