/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What a pool asks of the layers above before it grows. They say at shrink_prepare()
 * how; before that there is room, and a group is charged without reclaim.
 */
#ifndef SHRINK_POOL_CHARGE_H
#define SHRINK_POOL_CHARGE_H

#include <shrink/pool.h>

struct shrink_pool_hooks {
	uint64_t (*room)(const struct shrinker *s);
	int (*charge)(struct shrink_memcg *memcg, uint64_t bytes, shrink_gfp_t gfp);
};

/* For good; @hooks is static. */
void shrink_pool_set_hooks(const struct shrink_pool_hooks *hooks);

#endif /* SHRINK_POOL_CHARGE_H */
