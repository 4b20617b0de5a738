/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Between memcg.c and memcg-map.c. All but free under the registry lock. */
#ifndef SHRINK_CORE_MEMCG_MAP_H
#define SHRINK_CORE_MEMCG_MAP_H

#include <libshrink/core/memcg.h>

/* Room for every id there is; 0 or -ENOMEM. */
int shrink_memcg_map_alloc(struct shrink_memcg *memcg);
void shrink_memcg_map_free(struct shrink_memcg *memcg);
/* Bits are set in the parent, deferred work is added to the parent's. */
void shrink_memcg_map_reparent(struct shrink_memcg *memcg);

#endif /* SHRINK_CORE_MEMCG_MAP_H */
