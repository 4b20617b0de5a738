/* SPDX-License-Identifier: MIT */
/*
 * --purgeable: values of a page and more lie in a region of libshrink's, whose pages the
 * kernel may take by itself while no request uses them, even from a stopped server. An
 * item then has its header and key in the pool, and a pointer in the place of its value.
 *
 * A value is pinned while a request has a reference to its item, from the first byte of a
 * store and to the last of an answer. One that the kernel has taken meanwhile is a miss.
 */
#ifndef KVCACHED_PURGE_H
#define KVCACHED_PURGE_H

#include "examples/kvcached/tenant.h"

#define PURGE_MIN 4096u /* smaller values are not worth a page of their own */

/* Before the first tenant. 0 or -errno. */
int purge_open(size_t ceiling);
/* After the last item. */
void purge_close(void);
bool purge_on(void);

/* Room for a value, pinned and charged, in the place of colder ones where need be; NULL:
 * there is none, and it has to be an ordinary one. No lock held. */
void *purge_alloc(struct tenant *t, size_t size);
/* Ends it, pinned or not. */
void purge_free(struct tenant *t, void *value);

/* For an item the caller has a reference to: is its value there? It is until the caller
 * says purge_release(). True for one that is not in the region. */
bool purge_hold(struct item *it);
void purge_release(struct item *it);
/* Of one that goes: bytes that come back with it; 0 = the kernel has them already. */
size_t purge_left(struct item *it);

/* 0, or -ENOENT: there is no region. */
int purge_stats(struct shrink_region_stats *ret_stats);

#endif /* KVCACHED_PURGE_H */
