// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "tests/group.h"
#include "tests/harness.h"

struct shrink_memcg *group_new(struct shrink_memcg *parent)
{
	struct shrink_memcg *memcg = shrink_memcg_create(parent, "group");

	CU_ASSERT_FATAL(memcg != NULL);
	return memcg;
}

void group_end(struct shrink_memcg *memcg)
{
	ASSERT_INT(group_exact(memcg), 0);
	ASSERT_INT(shrink_memcg_destroy(memcg), 0);
}

void group_limit(struct shrink_memcg *memcg, enum shrink_memcg_limit which, uint64_t bytes)
{
	ASSERT_INT(shrink_memcg_set_limit(memcg, which, bytes), 0);
	CU_ASSERT(shrink_memcg_get_limit(memcg, which) == bytes);
}

struct shrink_memcg_stats group_stats(struct shrink_memcg *memcg)
{
	struct shrink_memcg_stats st = {0};

	ASSERT_INT(shrink_memcg_stats(memcg, &st, sizeof(st)), 0);
	return st;
}

long group_exact(struct shrink_memcg *memcg)
{
	shrink_memcg_drain();
	return (long)shrink_memcg_usage(memcg);
}
