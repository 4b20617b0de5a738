/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Policies to compare: each a cache of so many bytes that is asked for keys. */
#ifndef REPLAY_POLICY_H
#define REPLAY_POLICY_H

#include <stdbool.h>

#include "tools/replay/trace.h"

struct policy {
	const char *name;
	/* A cache for the keys of @t; NULL with errno set. */
	void *(*create)(const struct trace *t, uint64_t capacity);
	/* Is the key there? A hit is noted. */
	bool (*get)(void *cache, uint32_t key);
	/* It was not: brings it in, making room; @size <= capacity. */
	void (*put)(void *cache, uint32_t key, uint32_t size);
	/* Time goes on, microseconds since the last call; NULL: of no interest. */
	void (*pass)(void *cache, uint64_t usec);
	/* Bytes in the cache now. */
	uint64_t (*used)(void *cache);
	void (*destroy)(void *cache);
};

extern const struct policy policy_lru, policy_second_chance;
extern const struct policy policy_lruvec, policy_lruvec_ws, policy_lruvec_age;
/* create() fails with EFBIG where the cache would take more than a quarter of the
 * machine's memory, which it needs. */
extern const struct policy policy_pool, policy_pool_move;
/* Objects are written in full, before create. */
extern bool policy_pool_fill;
struct shrink_pool;
struct shrink_pool *policy_pool_of(void *cache);

/* Of the ageing clock, before create. */
extern uint64_t policy_age_period_msec;

#endif /* REPLAY_POLICY_H */
