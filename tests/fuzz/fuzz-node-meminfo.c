// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* /sys/devices/system/node/nodeN/meminfo.
 * with: base/parse.c os/fd.c os/nodeinfo.c */
#define FUZZER node_meminfo
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/zoneinfo.h>

static int field(const char *text, int nid, const char *name, uint64_t *ret)
{
	char key[64];

	snprintf(key, sizeof(key), "Node %d %s", nid, name);
	return naive_field(text, key, ret);
}

static uint64_t sum(const char *text, int nid, const char *a, const char *b)
{
	uint64_t x = 0, y = 0;

	if (field(text, nid, a, &x))
		x = 0;
	if (field(text, nid, b, &y))
		y = 0;
	return naive_narrow((wide)x + y);
}

static void check(const char *text, int nid)
{
	struct shrink_node_meminfo got = {7, 7, 7, 7, 7};
	uint64_t total, free, slab;
	int r = field(text, nid, "MemTotal", &total) || field(text, nid, "MemFree", &free);

	FUZZ_CHECK(shrink_node_meminfo_parse(text, nid, &got) == (r ? -EINVAL : 0));
	if (r) {
		FUZZ_CHECK(got.total == 7 && got.free == 7 && got.file == 7 && got.slab == 7);
		return;
	}
	if (field(text, nid, "KReclaimable", &slab) && field(text, nid, "SReclaimable", &slab))
		slab = 0;
	FUZZ_CHECK(got.total == total && got.free == free && got.slab == slab);
	FUZZ_CHECK(got.file == sum(text, nid, "Active(file)", "Inactive(file)"));
	FUZZ_CHECK(got.dirty == sum(text, nid, "Dirty", "Writeback"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check(text, 0);
	check(text, 1);
	check(text, SHRINK_NODES_MAX - 1);
	free(text);
	return 0;
}
