/* SPDX-License-Identifier: MIT */
/*
 * Which of the cold items to evict in a jemalloc arena: those on the sparsest slabs, so
 * that pages come back. libshrink sorts; the candidates are ours to find and to check
 * again, since time passes between the two.
 */
#ifndef KVCACHED_DENSITY_H
#define KVCACHED_DENSITY_H

#include "examples/kvcached/ring.h"

/* 0 or -ENOMEM. */
int density_open(struct tenant *t);
void density_close(struct tenant *t);

/* As ring_evict(), but of the coldest part of all the best first. */
void density_evict(struct tenant *t, struct ring_work *w);
/* So much was freed into the arena: back to the system, when it is worth a call. */
void density_purge(struct tenant *t, uint64_t bytes);

#endif /* KVCACHED_DENSITY_H */
