/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A twin of the module shrink_bridge in this process: programs that link it are linked
 * with --wrap for the calls of libshrink/os/module.h. Requests are kept by the module's own
 * kernel/slot.c; around it is what the kernel does: count, scan in batches. A page is not
 * mapped in a forked child, as the module's are not; a touch there is a signal.
 *
 * One session at a time, and as the kernel's it belongs to the process that opened it.
 */
#ifndef TESTS_MODULE_TWIN_H
#define TESTS_MODULE_TWIN_H

#include <stdbool.h>
#include <stdint.h>

#include <shrink/bridge-abi.h>

/* What open() answers from now on: 0, or a negative errno. */
void twin_set_open(int err);
/* Caches that one user may have (256 in the kernel). */
void twin_set_quota(unsigned int caches);
/* Nodes at which a cache can be bound; NULL: all are. */
void twin_set_bindable(bool (*fn)(int nid));
/* Called as an answer comes that is accepted: with what the page says at that moment. */
struct twin_answer {
	uint64_t freed, claimed;
};
void twin_set_on_answer(void (*fn)(const struct twin_answer *answer));

bool twin_is_open(void);
unsigned int twin_registered(void);
/* The index of the cache of that name ("NAME-ID"), or -1; its registration. */
int twin_find(const char *name, struct shrink_bridge_register *ret_reg);
/* All registrations there have been since the program began. */
unsigned int twin_registrations(void);

/* What the kernel would do. count: objects it takes for left; scan: posts, and returns what
 * it is told was freed. Of no such cache: 0. */
uint64_t twin_count(int index, int nid);
uint64_t twin_scan(int index, int nid, uint64_t objects);
/* A slice of each cache at the node, by the kernel's formula. Objects freed. */
uint64_t twin_slab(int nid, int priority);
/* What the process has written into the page. */
uint64_t twin_page(int index, int nid);
bool twin_stats(int index, struct shrink_bridge_cache_stats *ret_stats);
/* Posted or taken, all caches. */
uint64_t twin_outstanding(void);
/* Answers that were refused: another number than the request's, no such cache. */
unsigned int twin_refused(void);

#endif /* TESTS_MODULE_TWIN_H */
