/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A trace in memory: CSV lines "time,key,size[,tenant]" without a header. Time in
 * seconds (a decimal number, never falling), key and tenant any text without a comma,
 * size in bytes. Keys of different tenants are different keys; a tenant is a group.
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

/* Texts by their hash, numbered as they come: open addressing; 0 = free, else number + 1. */
struct dense {
	uint64_t *hashes;
	size_t nr, room;
	uint32_t *index;
	size_t index_size;
};

struct trace {
	struct request *requests;
	size_t nr, room;
	struct dense keys, tenants;
	/* by key */
	struct trace_key {
		uint32_t size; /* largest seen */
		uint32_t tenant; /* 0 = none, else number + 1 */
	} *key;
	size_t key_room;
	uint64_t footprint; /* bytes of all keys */
	uint64_t bytes;     /* bytes of all requests */
	uint64_t bad_lines;
};

/* Reads all of @file. Bad lines are named on stderr by their number (the first ten) and
 * skipped. 0; -ENOMEM; -EBADMSG: it is compressed; another negative errno of reading. */
int trace_read(struct trace *t, FILE *file, const char *name);
/* One line more, which is cut up. 0; -ENOMEM. *@ret_why: NULL, or what is wrong with the
 * line, which is then counted and left out. */
int trace_line(struct trace *t, char *line, const char **ret_why);
void trace_free(struct trace *t);

#endif /* REPLAY_TRACE_H */
