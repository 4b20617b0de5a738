/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Groups in tests: made, limited, looked at and ended without a word, or the test fails. */
#ifndef TESTS_GROUP_H
#define TESTS_GROUP_H

#include <shrink/memcg.h>

struct shrink_memcg *group_new(struct shrink_memcg *parent);
/* Nothing may be charged to it any more. */
void group_end(struct shrink_memcg *memcg);
/* Sets the limit and reads it back. */
void group_limit(struct shrink_memcg *memcg, enum shrink_memcg_limit which, uint64_t bytes);
struct shrink_memcg_stats group_stats(struct shrink_memcg *memcg);
/* Usage with nothing left in stocks. */
long group_exact(struct shrink_memcg *memcg);

#endif /* TESTS_GROUP_H */
