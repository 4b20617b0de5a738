/* SPDX-License-Identifier: MIT */
/*
 * What one can do with items: the operations of the protocol, without its words.
 * All of them may be called from any thread, with no lock held.
 */
#ifndef KVCACHED_ITEMS_H
#define KVCACHED_ITEMS_H

#include "examples/kvcached/epoch.h"
#include "examples/kvcached/tenant.h"

enum items_result {
	ITEMS_OK,
	ITEMS_NOT_FOUND,
	ITEMS_NOT_STORED, /* add, replace, append, prepend: condition not met */
	ITEMS_EXISTS,	  /* cas: changed since */
	ITEMS_NO_MEMORY,
	ITEMS_TOO_LARGE,
	ITEMS_NOT_NUMERIC
};

/* A new item for the caller to fill: key, flags and expiry are set, the value is
 * not; the caller's reference. */
enum items_result items_new(struct span key, uint32_t flags, int32_t exptime, size_t nbytes,
			    struct item **ret_item);

/* The request is done with it: gives back the reference that one of these has given. */
void items_put(struct item *it);

/* Stores it under its key as @cmd (set, add, replace, append, prepend, cas)
 * says. The caller keeps its reference. */
enum items_result items_store(struct item *it, enum cmd cmd, uint64_t cas);

/* The item with a reference for the caller, marked as used, or NULL. */
struct item *items_get(struct span key);
/* The same, and a new expiry. */
struct item *items_get_touch(struct span key, int32_t exptime);

enum items_result items_touch(struct span key, int32_t exptime);
enum items_result items_delete(struct span key);
/* incr and decr; on success @ret_value is the number now stored. */
enum items_result items_arith(struct span key, bool incr, uint64_t delta, uint64_t *ret_value);

/* Drops what the tenant has stored with a key that begins with @prefix and @then, or
 * all that it has, where @prefix is NULL. */
void items_drop(struct tenant *t, const char *prefix, char then);

uint64_t items_linked(void);  /* items ever stored */
uint64_t items_expired(void); /* found dead and dropped */

#endif /* KVCACHED_ITEMS_H */
