/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Reclaim of one group and those below it. */
#ifndef SHRINK_RECLAIM_MEMCG_RECLAIM_H
#define SHRINK_RECLAIM_MEMCG_RECLAIM_H

#include <libshrink/core/memcg-account.h>

/* Tries for nothing before giving up (contract 4). */
#define SHRINK_MEMCG_TRIES 16

/* One try for at least @bytes, with what this thread permits. Bytes freed. */
uint64_t shrink_memcg_try_reclaim(struct shrink_memcg *memcg, uint64_t bytes, shrink_gfp_t gfp);
/* Until usage is at or below @limit, or the tries are used up. */
bool shrink_memcg_reclaim_to(struct shrink_memcg *memcg, uint64_t limit);

#endif /* SHRINK_RECLAIM_MEMCG_RECLAIM_H */
