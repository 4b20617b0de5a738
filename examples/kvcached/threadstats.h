/* SPDX-License-Identifier: MIT */
/*
 * What one thread has counted. Any thread may read and zero it: "stats" sums up,
 * "stats reset" starts over.
 */
#ifndef KVCACHED_THREADSTATS_H
#define KVCACHED_THREADSTATS_H

#include <stdint.h>

/* name in "stats", in its order */
#define THREAD_STATS(X)                                                                            \
	X(cmd_get)                                                                                 \
	X(cmd_set)                                                                                 \
	X(cmd_flush)                                                                               \
	X(cmd_touch)                                                                               \
	X(get_hits)                                                                                \
	X(get_misses)                                                                              \
	X(delete_misses)                                                                           \
	X(delete_hits)                                                                             \
	X(incr_misses)                                                                             \
	X(incr_hits)                                                                               \
	X(decr_misses)                                                                             \
	X(decr_hits)                                                                               \
	X(cas_misses)                                                                              \
	X(cas_hits)                                                                                \
	X(cas_badval)                                                                              \
	X(touch_hits)                                                                              \
	X(touch_misses)                                                                            \
	X(store_too_large)                                                                         \
	X(store_no_memory)                                                                         \
	X(bytes_read)                                                                              \
	X(bytes_written)

struct thread_stats {
#define X(name) uint64_t name;
	THREAD_STATS(X)
#undef X
};

#define STATS_ADD(stats, name, n)                                                                  \
	__atomic_fetch_add(&(stats)->name, (uint64_t)(n), __ATOMIC_RELAXED)
#define STATS_INC(stats, name) STATS_ADD(stats, name, 1)

#endif /* KVCACHED_THREADSTATS_H */
