// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* /proc/zoneinfo: added up in one pass by the library, here zone by zone.
 * with: base/lines.c base/parse.c os/fd.c os/mem.c os/nodeinfo.c os/zoneinfo.c */
#define FUZZER zoneinfo
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/zoneinfo.h>

#define PAGE 4096
#define ZONES_MAX 64

struct zone {
	int nid; /* -1 = of a node that there cannot be */
	uint64_t free, min, low, high, managed, protection, file, dirty, slab, listed;
};

/* "key 12" among blanks: the number; false: another key, or none. */
static bool value(const char *line, const char *key, uint64_t *ret)
{
	size_t at = strlen(key);
	wide v;

	if (strncmp(line, key, at) || !NAIVE_BLANK(line[at]))
		return false;
	while (NAIVE_BLANK(line[at]))
		at++;
	if (!naive_digits(line, &at, &v) || v >> 64)
		return false;
	*ret = (uint64_t)v;
	return true;
}

static void add(uint64_t *sum, uint64_t pages)
{
	*sum = naive_narrow(*sum + (wide)naive_narrow((wide)pages * PAGE));
}

/* The largest number in the line; what has one that does not fit says nothing. */
static void protection(struct zone *z, const char *line)
{
	uint64_t most = 0;
	size_t at = 0;
	wide v;

	while (line[at]) {
		if (!naive_digits(line, &at, &v)) {
			at++;
			continue;
		}
		if (v >> 64)
			return;
		most = v > most ? (uint64_t)v : most;
	}
	z->protection = most;
}

static void take(struct zone *z, const char *line)
{
	uint64_t v;

	while (NAIVE_BLANK(*line))
		line++;
	if (value(line, "nr_active_file", &v) || value(line, "nr_inactive_file", &v))
		add(&z->file, v);
	if (value(line, "nr_dirty", &v) || value(line, "nr_writeback", &v))
		add(&z->dirty, v);
	if (value(line, "nr_slab_reclaimable", &v) || value(line, "nr_kernel_misc_reclaimable", &v))
		add(&z->slab, v);
	if (value(line, "count:", &v))
		z->listed = naive_narrow((wide)z->listed + v);
	if (!strncmp(line, "pages ", 6))
		line += 6;
	value(line, "free", &z->free);
	value(line, "min", &z->min);
	value(line, "low", &z->low);
	value(line, "high", &z->high);
	value(line, "managed", &z->managed);
	if (!strncmp(line, "protection:", 11))
		protection(z, line);
}

static bool header(const char *line, int *ret_nid)
{
	size_t at = 5;
	wide nid;

	if (strncmp(line, "Node ", 5) || !naive_digits(line, &at, &nid) || nid >> 64 ||
	    strncmp(line + at, ", zone", 6))
		return false;
	*ret_nid = nid < SHRINK_NODES_MAX ? (int)nid : -1;
	return true;
}

static uint64_t over(uint64_t free, wide kept)
{
	kept = naive_narrow(kept);
	return free > kept ? free - (uint64_t)kept : 0;
}

static void sum_up(struct shrink_zoneinfo *info, const struct zone *z)
{
	struct shrink_node_zones *n = &info->node[z->nid];
	uint64_t kept = naive_narrow((wide)z->high + z->protection);

	if (info->nr_nodes < z->nid + 1)
		info->nr_nodes = z->nid + 1;
	n->file = naive_narrow((wide)n->file + z->file);
	n->dirty = naive_narrow((wide)n->dirty + z->dirty);
	n->slab = naive_narrow((wide)n->slab + z->slab);
	if (!z->managed)
		return;
	add(&n->managed, z->managed);
	add(&n->free, z->free);
	add(&n->min, z->min);
	add(&n->low, z->low);
	add(&n->high, z->high);
	add(&n->listed, z->listed);
	add(&n->reserve, kept < z->managed ? kept : z->managed);
	add(&n->above_low, over(z->free, (wide)z->low + z->protection));
	add(&n->above_high, over(z->free, (wide)z->high + z->protection));
}

/* False: more zones than we have room for. */
static bool naive(const char *text, struct shrink_zoneinfo *ret)
{
	static struct zone zones[ZONES_MAX];
	char *copy = fuzz_copy(text), *rest = copy, *line;
	int n = 0, nid;

	while ((line = strsep(&rest, "\n"))) {
		if (header(line, &nid)) {
			if (n == ZONES_MAX)
				break;
			zones[n++] = (struct zone){.nid = nid};
		} else if (n && zones[n - 1].nid >= 0) {
			take(&zones[n - 1], line);
		}
	}
	free(copy);
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < n; i++)
		if (zones[i].nid >= 0)
			sum_up(ret, &zones[i]);
	return !line;
}

static void parse(const char *text, struct shrink_zoneinfo *ret)
{
	struct shrink_zone_state state = {0};
	char *copy = fuzz_copy(text), *rest = copy, *line;

	memset(ret, 0, sizeof(*ret));
	while ((line = strsep(&rest, "\n")))
		shrink_zoneinfo_line(ret, &state, line, PAGE);
	shrink_zoneinfo_end(ret, &state, PAGE);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct shrink_zoneinfo got, expected;
	char *text = fuzz_text(data, size);

	parse(text, &got);
	FUZZ_CHECK(got.nr_nodes >= 0 && got.nr_nodes <= SHRINK_NODES_MAX);
	if (naive(text, &expected))
		FUZZ_CHECK(!memcmp(&got, &expected, sizeof(got)));
	/* what is to be had of a node is bounded by what was seen there */
	for (int i = 0; i < got.nr_nodes; i++)
		FUZZ_CHECK(shrink_node_available(&got.node[i], NULL) <=
			   naive_narrow((wide)got.node[i].free + got.node[i].file +
					got.node[i].slab));
	free(text);
	return 0;
}
