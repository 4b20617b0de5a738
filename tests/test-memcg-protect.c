// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Effective protection: the formula, and what reclaim makes of it (contract 4.1). */
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-protect.h>

#include "tests/gcache.h"
#include "tests/group.h"
#include "tests/harness.h"

#define MB (1024 * 1024ULL)
#define OBJECT 4096ULL

static uint64_t share(uint64_t usage, uint64_t setting, uint64_t parent_usage,
		      uint64_t parent_effective, uint64_t siblings)
{
	struct shrink_memcg_claims c = {usage, setting, parent_usage, parent_effective, siblings};

	return shrink_memcg_protection(&c);
}

static void protection_formula(void)
{
	/* no more than is used, nor than is set */
	ASSERT_INT((long)share(10, 30, 10, 10, 10), 10);
	ASSERT_INT((long)share(50, 30, 50, 30, 30), 30);
	ASSERT_INT((long)share(50, 30, 50, 0, 30), 0);
	/* siblings claim 30 + 90 of 60: in proportion to use under protection */
	ASSERT_INT((long)share(50, 30, 140, 60, 120), 15);
	ASSERT_INT((long)share(90, 100, 140, 60, 120), 45);
	/* they claim 30 + 10 of 100: the other 60 go to who uses more than he claims,
	 * 20 and 100 of the 160 - 40 that are used beyond claims */
	ASSERT_INT((long)share(50, 30, 160, 100, 40), 30 + 10);
	ASSERT_INT((long)share(110, 10, 160, 100, 40), 10 + 50);
	ASSERT_INT((long)share(0, 0, 160, 100, 40), 0);
	ASSERT_INT((long)share(40, 100, 40, 100, 40), 40); /* nobody uses more */
	ASSERT_INT((long)share(UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, 0), -1);
}

static void min_and_low_protect(void)
{
	struct shrink_memcg *a = group_new(NULL), *b = group_new(NULL), *c = group_new(NULL);
	struct gcache g;
	uint64_t freed;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "protected", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 1000), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1000), 0);
	ASSERT_INT(gcache_insert(&g, c, 0, 1000), 0);
	group_limit(a, SHRINK_MEMCG_LIMIT_MIN, 8 * MB);
	group_limit(b, SHRINK_MEMCG_LIMIT_LOW, 8 * MB);
	shrink_memcg_drain();
	/* c pays alone, while it has anything */
	ASSERT_INT((long)shrink_all_memory(2 * MB), 2 * MB);
	ASSERT_INT(gcache_objects(&g, a), 1000);
	ASSERT_INT(gcache_objects(&g, b), 1000);
	ASSERT_INT(gcache_objects(&g, c), 1000 - 512);
	ASSERT_INT((long)shrink_all_memory(100 * MB), 488 * OBJECT);
	ASSERT_INT((long)group_stats(b).events_low, 0);
	/* nothing else is left: low gives way, min never */
	freed = shrink_all_memory(1 * MB);
	ASSERT_INT((long)freed, 1 * MB);
	ASSERT_INT(gcache_objects(&g, b), 1000 - 256);
	CU_ASSERT(group_stats(b).events_low > 0);
	while (shrink_all_memory(100 * MB))
		;
	ASSERT_INT(gcache_objects(&g, b), 0);
	ASSERT_INT(gcache_objects(&g, a), 1000);
	/* asked for itself, it is not protected from itself */
	ASSERT_INT((long)shrink_memcg_force_empty(a), 1000 * OBJECT);
	gcache_end(&g);
	group_end(a);
	group_end(b);
	group_end(c);
	sim_end();
}

/* A parent's protection is shared by what its children use of theirs. */
static void protection_in_proportion(void)
{
	struct shrink_memcg *p = group_new(NULL), *a = group_new(p), *b = group_new(p),
			    *c = group_new(p);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "shares", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 1024), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 3072), 0);
	ASSERT_INT(gcache_insert(&g, c, 0, 1024), 0);
	shrink_memcg_drain();
	group_limit(p, SHRINK_MEMCG_LIMIT_MIN, 8 * MB);
	group_limit(a, SHRINK_MEMCG_LIMIT_MIN, 4 * MB);
	group_limit(b, SHRINK_MEMCG_LIMIT_MIN, 100 * MB); /* claims the 12 MiB it uses */
	CU_ASSERT(shrink_all_memory(1) > 0);
	ASSERT_INT((long)group_stats(p).emin, 8 * MB);
	ASSERT_INT((long)group_stats(a).emin, 2 * MB);
	ASSERT_INT((long)group_stats(b).emin, 6 * MB);
	ASSERT_INT((long)group_stats(c).emin, 0);
	/* at rest the sums are exact: a gives up its setting, b has all */
	group_limit(a, SHRINK_MEMCG_LIMIT_MIN, 0);
	gcache_remove(&g, b, 0, 3072);
	shrink_memcg_drain();
	ASSERT_INT((long)atomic_load(&p->account->children[0]), 0);
	gcache_move(&g, a, c);
	group_end(a);
	gcache_move(&g, c, NULL);
	gcache_move(&g, b, NULL);
	group_end(c);
	group_end(b);
	gcache_end(&g);
	group_end(p);
	sim_end();
}

/* What a tenant does not hand out belongs to its subgroups, by what they use; a
 * subgroup that hands out all of it has no more. */
static void protection_reaches_subgroups(void)
{
	struct shrink_memcg *p = group_new(NULL), *a = group_new(p), *b = group_new(p),
			    *other = group_new(NULL);
	struct gcache g;

	sim_begin();
	gcache_new(&g, SHRINKER_MEMCG_AWARE, "below", OBJECT);
	ASSERT_INT(gcache_insert(&g, a, 0, 1024), 0);
	ASSERT_INT(gcache_insert(&g, b, 0, 1024), 0);
	ASSERT_INT(gcache_insert(&g, other, 0, 1024), 0);
	shrink_memcg_drain();
	group_limit(p, SHRINK_MEMCG_LIMIT_MIN, 8 * MB); /* all that its subgroups use */
	while (shrink_all_memory(100 * MB))
		;
	ASSERT_INT(gcache_objects(&g, other), 0);
	ASSERT_INT(gcache_objects(&g, a), 1024);
	ASSERT_INT(gcache_objects(&g, b), 1024);
	ASSERT_INT((long)group_stats(a).emin, 4 * MB);
	group_limit(p, SHRINK_MEMCG_LIMIT_MIN, 4 * MB); /* and now half of it */
	while (shrink_all_memory(100 * MB))
		;
	CU_ASSERT(gcache_objects(&g, a) + gcache_objects(&g, b) < 2048);
	gcache_end(&g);
	group_end(a);
	group_end(b);
	group_end(p);
	group_end(other);
	sim_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"protection: the formula", protection_formula},
		{"protection: min and low", min_and_low_protect},
		{"protection: in proportion to use", protection_in_proportion},
		{"protection: reaches subgroups", protection_reaches_subgroups},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-protect", tests);
}
