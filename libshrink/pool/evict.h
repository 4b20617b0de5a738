/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* What evict.c and move.c share: one slab on its way out. */
#ifndef SHRINK_POOL_EVICT_H
#define SHRINK_POOL_EVICT_H

#include <libshrink/pool/magazine.h>

struct pool_round {
	struct pool_slab *slab;
	struct pool_class *class;
	uint64_t asked[BITS_WORDS]; /* live at 1, and to be asked about */
	uint64_t moved[BITS_WORDS];
	uint64_t evicted[BITS_WORDS];
	uint64_t pended[BITS_WORDS];
	uint64_t referenced[BITS_WORDS]; /* to be asked again */
	unsigned int left;      /* objects not asked yet */
	unsigned int warm;      /* bits in referenced */
	unsigned int sheltered; /* worth keeping, and found no place elsewhere */
};

/* Moves what is worth it out of the slab, as far as the class's shelter has places,
 * and strikes it off the list of those asked. No lock held. */
void shrink_pool_move_young(struct shrink_pool *pool, struct pool_round *r, unsigned int index,
			    struct pool_verdict *v);

#endif /* SHRINK_POOL_EVICT_H */
