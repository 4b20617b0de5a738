/* SPDX-License-Identifier: MIT */
/*
 * The second cache: keys that were asked for and are not there. Clients ask for
 * the same missing key again and again; a remembered miss is answered without
 * the shard, so that it waits for nobody's store.
 *
 * Small malloc'ed objects that cost nothing to rebuild: in all respects the
 * other kind of cache, and registered with libshrink as a shrinker of its own.
 *
 * Correct by this rule: entries are added and forgotten under the shard lock of
 * their key, so whoever finds one knows that the key was not linked then.
 */
#ifndef KVCACHED_NEGATIVE_H
#define KVCACHED_NEGATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shrinker;

/* 0 or -errno. */
int negative_init(void);
void negative_fini(void);

/* Any context: is this key known to be missing? */
bool negative_has(uint32_t hash, const char *key, size_t nkey);
/* Under the shard lock, the key is not linked. */
void negative_add(uint32_t hash, const char *key, size_t nkey);
/* Under the shard lock, the key is being linked. */
void negative_forget(uint32_t hash, const char *key, size_t nkey);

struct shrinker *negative_shrinker(void);
size_t negative_count(void);

#endif /* KVCACHED_NEGATIVE_H */
