/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * One connection: a request at a time in memcached's text protocol. What the
 * requests are and when the next is due is the load's business.
 */
#ifndef KVLOAD_CONN_H
#define KVLOAD_CONN_H

#include "tools/kvload/load.h"

enum conn_state {
	CONN_DOWN,       /* tries again at due_nsec */
	CONN_CONNECTING,
	CONN_IDLE,       /* next request at due_nsec */
	CONN_BUSY        /* sending, or waiting for the answer */
};

enum request_kind { REQUEST_NONE, REQUEST_GET, REQUEST_SET };

struct conn {
	struct load *load;
	int epoll_fd, fd;
	enum conn_state state;
	uint64_t due_nsec;
	struct rng rng;
	/* the request that is being asked, kept over a broken connection */
	enum request_kind kind;
	int filling;
	uint64_t id;
	uint64_t began_nsec;
	char *out, *in;
	size_t out_len, out_done, in_len, in_size;
};

/* 0 or -ENOMEM. */
int conn_init(struct conn *conn, struct load *load, int epoll_fd, unsigned int number);
void conn_destroy(struct conn *conn);
/* Starts to connect; the descriptor is watched from now on. */
void conn_open(struct conn *conn);
/* Begins a request on an idle connection. Its pause counts from @since. */
void conn_ask(struct conn *conn, enum request_kind kind, uint64_t id, int filling,
	      uint64_t since);
/* Something happened on the descriptor. */
void conn_event(struct conn *conn, uint32_t events);

#endif /* KVLOAD_CONN_H */
