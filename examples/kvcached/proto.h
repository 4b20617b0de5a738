/* SPDX-License-Identifier: MIT */
/*
 * The text protocol's grammar as a pure function: bytes in, a request out. No
 * socket, no cache, no state. What memcached would refuse is refused here with
 * the same words.
 */
#ifndef KVCACHED_PROTO_H
#define KVCACHED_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_MAX   250
#define VALUE_MAX (1024 * 1024)
/* A line that has not ended by now must be a get with many keys ... */
#define LINE_MAX_OTHER 2048
/* ... and even that ends somewhere. */
#define LINE_MAX_GET (4 * 1024 * 1024)

enum cmd {
	CMD_GET,
	CMD_GETS,
	CMD_GAT,
	CMD_GATS,
	CMD_SET,
	CMD_ADD,
	CMD_REPLACE,
	CMD_APPEND,
	CMD_PREPEND,
	CMD_CAS,
	CMD_TOUCH,
	CMD_DELETE,
	CMD_INCR,
	CMD_DECR,
	CMD_FLUSH_ALL,
	CMD_STATS,
	CMD_TENANT,
	CMD_VERSION,
	CMD_VERBOSITY,
	CMD_QUIT
};

/* A piece of the input buffer; valid as long as the bytes stay there. */
struct span {
	const char *at;
	size_t len;
};

struct request {
	enum cmd cmd;
	bool noreply;
	const char *error; /* the answer, if the line is no good; NULL if it is */
	struct span key;   /* single-key commands; stats: the first argument */
	struct span keys;  /* get family, tenant: the rest of the line */
	uint32_t flags;
	int32_t exptime; /* as sent; touch, gat, storage, flush_all's delay */
	int32_t nbytes;  /* storage: length of the value without its \r\n */
	uint64_t cas;
	uint64_t delta;
};

enum proto_result {
	PROTO_MORE,    /* the line is not complete */
	PROTO_REQUEST, /* *req is written and *ret_used bytes are consumed */
	PROTO_CLOSE    /* not a client of ours: drop the connection */
};

enum proto_result proto_parse(const char *buf, size_t len, struct request *req, size_t *ret_used);

/* Takes the next word off the front of @rest; its length is 0 at the end. */
struct span proto_word(struct span *rest);

/* Reads a number as strtoull() does, up to the end or a white space. */
bool proto_number(struct span word, uint64_t *ret_value);

#endif /* KVCACHED_PROTO_H */
