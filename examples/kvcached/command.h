/* SPDX-License-Identifier: MIT */
/*
 * Carries requests out and writes the answers. Knows items and the protocol's
 * words, but no socket: the connection feeds it and empties its output.
 */
#ifndef KVCACHED_COMMAND_H
#define KVCACHED_COMMAND_H

#include <event2/buffer.h>

#include "examples/kvcached/item.h"
#include "examples/kvcached/proto.h"
#include "examples/kvcached/threadstats.h"

/* More output than this waits for the client to read before more is made. */
#define OUTPUT_HIGH (1024 * 1024)

/* One client's dialogue. */
struct session {
	struct evbuffer *out;
	struct thread_stats *stats;
	struct request req;
	struct item *item; /* being filled by a storage command */
	size_t swallow;	   /* bytes of a refused value to throw away */
	struct tenant *tenant; /* that the request may have charged */
};

/* What the session needs next. */
enum next {
	NEXT_COMMAND, /* a new request in s->req */
	NEXT_VALUE,   /* fill s->item's value, then command_value() */
	NEXT_SWALLOW, /* drop s->swallow bytes */
	NEXT_KEYS,    /* much output waits; then command_keys(). The input the
		       * request points to must stay where it is. */
	NEXT_CLOSE
};

enum next command_begin(struct session *s);
enum next command_keys(struct session *s);
enum next command_value(struct session *s);

/* Between two requests: microseconds that this client has to wait, because what it has
 * stored brought its tenant over its high. */
uint64_t command_owes(struct session *s);

/* Releases what an interrupted command holds. */
void command_abort(struct session *s);

#endif /* KVCACHED_COMMAND_H */
