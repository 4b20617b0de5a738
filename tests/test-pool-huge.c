// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Which pages are behind a pool: huge ones that go whole or none at all, and a node's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/pool-cache.h"

#define HUGE  SHRINK_CLASS_HUGE
#define NR    3000u
#define BIND_ 2 /* MPOL_BIND */

/* What the kernel says of the mappings in a part of our addresses. */
struct mapped {
	uint64_t huge;	       /* bytes in huge pages */
	unsigned int hg, nh, other; /* mappings with this advice, or without any */
};

static int in_smaps_line(const char *line, const struct pool_cache *c, uint64_t length)
{
	unsigned long long start, end;

	if (sscanf(line, "%llx-%llx ", &start, &end) != 2)
		return -1;
	return start < (uintptr_t)c->pool->data + length && end > (uintptr_t)c->pool->data;
}

/* Of the extents in use. 0; -1: this kernel does not say. */
static int look(const struct pool_cache *c, struct mapped *ret)
{
	uint64_t length = (uint64_t)load_relaxed(&c->pool->nr_extents) << EXTENT_SHIFT;
	FILE *f = fopen("/proc/self/smaps", "re");
	int inside = 0, r, flags = 0;
	unsigned long long kib;
	char line[512];

	memset(ret, 0, sizeof(*ret));
	while (f && fgets(line, sizeof(line), f)) {
		r = in_smaps_line(line, c, length);
		inside = r < 0 ? inside : r;
		if (inside && sscanf(line, "AnonHugePages: %llu", &kib) == 1)
			ret->huge += kib << 10;
		if (!inside || strncmp(line, "VmFlags:", 8))
			continue;
		flags = 1;
		ret->hg += strstr(line, " hg") != NULL;
		ret->nh += strstr(line, " nh") != NULL;
		ret->other += !strstr(line, " hg") && !strstr(line, " nh");
	}
	if (f)
		fclose(f);
	return flags && access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0 ? 0 : -1;
}

static void open_huge(struct pool_cache *c, size_t size)
{
	struct shrink_pool_options o = {.evict = pool_cache_evict,
					.arg = c,
					.flags = SHRINK_POOL_HUGE,
					.object_max = 4 * MIB,
					.reserve = 1024 * MIB};

	memset(c, 0, sizeof(*c));
	c->nr = NR;
	c->modulus = 1;
	c->objects = calloc(NR, sizeof(*c->objects));
	c->pool = shrink_pool_create(&o, sizeof(o), "huge");
	CU_ASSERT_FATAL(c->pool && c->objects);
	CU_ASSERT((uintptr_t)c->pool->data % HUGE == 0);
	for (unsigned int i = 0; size && i < NR; i++)
		CU_ASSERT_FATAL(pool_cache_put(c, i, size) != NULL);
}

/* Blocks of 2 MiB with so many pages in memory: none, all, or some. */
static void count_blocks(struct pool_cache *c, unsigned int ret[3])
{
	uint64_t pages, length = (uint64_t)load_relaxed(&c->pool->nr_extents) << EXTENT_SHIFT;
	unsigned char *data = c->pool->data;
	static unsigned char map[HUGE / PAGE];

	memset(ret, 0, 3 * sizeof(*ret));
	for (uint64_t at = 0; at < length; at += HUGE) {
		pages = 0;
		CU_ASSERT_FATAL(!mincore(data + at, HUGE, map));
		for (unsigned int i = 0; i < HUGE / PAGE; i++)
			pages += map[i] & 1;
		ret[!pages ? 0 : pages == HUGE / PAGE ? 1 : 2]++;
	}
}

static void test_geometry(void)
{
	unsigned int huge = 0;

	for (unsigned int i = 0; i < SHRINK_CLASSES; i++) {
		struct shrink_class_geometry g, plain;

		shrink_class_geometry_huge(i, PAGE, &g);
		shrink_class_geometry(i, PAGE, &plain);
		if (!shrink_class_is_huge(&g)) {
			CU_ASSERT(g.length == plain.length && g.nr == plain.nr &&
				  g.stride == plain.stride && (!g.size || g.size < 4096));
			continue;
		}
		huge++;
		CU_ASSERT(g.size >= 4096 && g.nr <= SHRINK_CLASS_OBJECTS_MAX);
		CU_ASSERT((size_t)g.nr * g.size <= HUGE);
		CU_ASSERT((size_t)g.nr * g.size > HUGE - HUGE / 64);
		EQ(1u << g.stride, HUGE);
		for (unsigned int k = 0; k < g.nr; k++) {
			EQ(shrink_class_index(&g, (size_t)k * g.size), k);
			EQ(shrink_class_index(&g, (size_t)(k + 1) * g.size - 1), k);
		}
	}
	EQ(huge, 25); /* 4096, and three doublings of eight */
}

/* Whatever is evicted, a block of 2 MiB is there as a whole or not at all. */
static void test_whole(void)
{
	struct shrink_pool_stats st;
	unsigned int blocks[3];
	struct pool_cache c;

	open_huge(&c, 8192);
	for (unsigned int i = 0; i < NR; i++)
		if (i % 3 == 0)
			pool_cache_drop(&c, i);
	pool_cache_settle(c.pool);
	for (int round = 0; round < 6; round++) {
		pool_cache_scan_pages(c.pool, 600);
		count_blocks(&c, blocks);
		CU_ASSERT(blocks[2] <= 1); /* the one that is being filled, of small pages */
		st = pool_cache_stats(c.pool);
		EQ(st.returned_bytes % HUGE, 0);
		EQ(blocks[1] + blocks[2], st.slabs);
	}
	CU_ASSERT(st.returned_bytes >= 6 * HUGE);
	for (int i = 0; i < 100 && c.live; i++)
		pool_cache_scan_pages(c.pool, 600);
	EQ(c.live, 0);
	EQ(pool_cache_resident(c.pool), 0);
	pool_cache_close(&c);
}

/* Each huge page is given back by a call of its own, none is split. */
static void test_not_split(void)
{
	struct mapped full, after;
	struct shrink_pool_stats st;
	struct pool_cache c;

	open_huge(&c, 8192);
	if (look(&c, &full) < 0) {
		pool_cache_close(&c);
		SKIP("this kernel does not tell of huge pages");
	}
	CU_ASSERT(full.hg > 0 && full.nh == 0 && full.other == 0);
	st = pool_cache_stats(c.pool);
	if (full.huge < st.slabs * HUGE) {
		pool_cache_close(&c);
		SKIP("the kernel has given %llu bytes in huge pages only, of %llu",
		     (unsigned long long)full.huge, (unsigned long long)(st.slabs * HUGE));
	}
	for (unsigned int i = 0; i < NR; i += 2)
		pool_cache_drop(&c, i);
	for (int round = 0; round < 3; round++) {
		pool_cache_scan_pages(c.pool, 600);
		look(&c, &after);
		EQ(full.huge - after.huge, pool_cache_stats(c.pool).returned_bytes);
	}
	CU_ASSERT(after.huge < full.huge && after.huge > 0);
	pool_cache_close(&c);
}

/* What does not go in huge pages never has any, be it in the same pool: small objects,
 * and the runs of large ones, whose every page counts. */
static void test_never_huge(void)
{
	uint64_t pages = 0, small;
	struct pool_cache c;
	struct mapped m;

	open_huge(&c, 0);
	for (unsigned int i = 0; i < 2000; i++)
		CU_ASSERT_FATAL(pool_cache_put(&c, i, 1000) != NULL);
	small = pool_cache_resident(c.pool);
	for (unsigned int i = 2000; i < 2008; i++) {
		size_t size = (size_t)1100 << 10 << (i % 2);

		CU_ASSERT_FATAL(pool_cache_put(&c, i, size) != NULL);
		pages += (size + PAGE - 1) / PAGE;
	}
	EQ(pool_cache_resident(c.pool) - small, pages);
	if (look(&c, &m) == 0) {
		EQ(m.huge, 0);
		CU_ASSERT(m.nh > 0 && m.hg == 0 && m.other == 0);
	}
	/* an extent changes hands: first small, then huge, then small again */
	for (unsigned int i = 0; i < 2008; i++)
		pool_cache_drop(&c, i);
	pool_cache_settle(c.pool);
	pool_cache_scan_pages(c.pool, 100000);
	EQ(pool_cache_stats(c.pool).slabs, 0);
	for (unsigned int i = 0; i < 600; i++)
		CU_ASSERT_FATAL(pool_cache_put(&c, i, 8192) != NULL);
	if (look(&c, &m) == 0)
		CU_ASSERT(m.hg > 0 && m.other == 0);
	for (unsigned int i = 0; i < 600; i++)
		pool_cache_drop(&c, i);
	pool_cache_settle(c.pool);
	pool_cache_scan_pages(c.pool, 100000);
	for (unsigned int i = 0; i < 8; i++)
		CU_ASSERT_FATAL(pool_cache_put(&c, i, 1100 << 10) != NULL);
	EQ(pool_cache_resident(c.pool), 8 * 1100 / 4);
	pool_cache_close(&c);
}

/* Every page of a bound pool is of its node, tables included. */
static void test_bound(void)
{
	struct shrink_pool_options o = {.flags = SHRINK_POOL_BIND, .evict = pool_cache_evict};
	struct shrink_pool *pool = shrink_pool_create(&o, sizeof(o), "bound");
	unsigned long nodes[16] = {0};
	int mode = -1, status = -1;
	void *page;

	CU_ASSERT_FATAL(pool != NULL);
	page = shrink_pool_alloc(pool, 5000);
	CU_ASSERT_FATAL(page != NULL);
	memset(page, 1, 5000);
	if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof(nodes) * 8, page, 2 /* F_ADDR */) < 0) {
		shrink_pool_destroy(pool);
		SKIP("no memory policies here: %s", strerror(errno));
	}
	EQ(mode, BIND_);
	EQ(nodes[0], 1);
	EQ(syscall(SYS_get_mempolicy, &mode, nodes, sizeof(nodes) * 8, pool->marks, 2), 0);
	EQ(mode, BIND_);
	page = (void *)((uintptr_t)page & ~(uintptr_t)(PAGE - 1));
	EQ(syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0), 0);
	EQ(status, 0); /* the node that it is on */
	shrink_pool_destroy(pool);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"slabs of one huge page each", test_geometry},
		{"2 MiB go whole or not at all", test_whole},
		{"no huge page is split", test_not_split},
		{"everything else never has huge pages", test_never_huge},
		{"a bound pool's pages are its node's", test_bound},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-huge", tests);
}
