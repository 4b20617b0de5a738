// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* /proc/meminfo, /proc/self/status and /proc/self/smaps_rollup, as far as they are read.
 * with: base/parse.c os/fd.c os/mem.c reclaim/cow.c */
#define FUZZER meminfo
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/mem.h>
#include <libshrink/reclaim/cow.h>

static void check_meminfo(const char *text)
{
	struct shrink_meminfo got = {7, 7, 7, 7}, m;
	int r = naive_field(text, "MemTotal", &m.total) ||
		naive_field(text, "MemAvailable", &m.available);

	FUZZ_CHECK(shrink_meminfo_parse(text, &got) == (r ? -EINVAL : 0));
	if (r) {
		FUZZ_CHECK(got.total == 7 && got.available == 7 && got.swap_free == 7);
		return;
	}
	FUZZ_CHECK(got.total == m.total && got.available == m.available);
	FUZZ_CHECK(got.swap_total == naive_or_0(text, "SwapTotal"));
	FUZZ_CHECK(got.swap_free == naive_or_0(text, "SwapFree"));
}

static void check_status(const char *text)
{
	uint64_t rss = 7, anon, shmem, filters;
	int r = naive_field(text, "RssAnon", &anon) || naive_field(text, "RssShmem", &shmem);

	FUZZ_CHECK(shrink_rss_parse(text, &rss) == (r ? -EINVAL : 0));
	FUZZ_CHECK(rss == (r ? 7 : naive_narrow((wide)anon + shmem)));
	if (naive_field(text, "Seccomp_filters", &filters))
		filters = naive_or_0(text, "Seccomp");
	FUZZ_CHECK(shrink_filters_parse(text) == filters);
}

static void check_smaps(const char *text)
{
	wide shared = naive_or_0(text, "Shared_Dirty"), own = 0;
	uint64_t v;
	int r = naive_field(text, "Private_Dirty", &v);
	unsigned int percent = shrink_cow_percent(text);

	own = r ? 0 : v;
	FUZZ_CHECK(percent <= 100);
	if (r || !shared)
		FUZZ_CHECK(percent == 0);
	else if (!((shared + own) >> 64))
		FUZZ_CHECK(percent == (unsigned int)(shared * 100 / (shared + own)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_meminfo(text);
	check_status(text);
	check_smaps(text);
	free(text);
	return 0;
}
