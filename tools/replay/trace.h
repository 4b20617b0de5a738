/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A trace in memory: CSV lines "time,key,size[,tenant]" without a header. Time in
 * seconds (a decimal number, never falling), key and tenant any text without a comma,
 * size in bytes. Keys of different tenants are different keys.
 */
#ifndef REPLAY_TRACE_H
#define REPLAY_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct request {
	uint64_t usec;
	uint32_t key; /* dense: 0 .. keys - 1 */
	uint32_t size;
};

struct trace {
	struct request *requests;
	size_t nr, room;
	/* by key */
	uint64_t *hashes;
	uint32_t *sizes; /* largest seen */
	size_t keys, keys_room;
	/* key -> dense, open addressing; 0 = free, else dense + 1 */
	uint32_t *index;
	size_t index_size;
	uint64_t footprint; /* bytes of all keys */
	uint64_t bytes;     /* bytes of all requests */
	uint64_t bad_lines;
};

/* Reads all of @file. Bad lines are named on stderr by their number (the first ten) and
 * skipped. 0; -ENOMEM; -EIO. */
int trace_read(struct trace *t, FILE *file, const char *name);
void trace_free(struct trace *t);

#endif /* REPLAY_TRACE_H */
