/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Who is served. Each client is a process, known by its connection's credentials, and is
 * told of the memory group that process is in, and of no other: the group is looked up
 * when it connects, every second, and before it is told if that was a while ago.
 *
 * A client can do nothing to the others: it costs one place of a bounded table, of which a
 * user who is not root gets a quarter; sends to it never wait; what it does not read it
 * loses, and is told how much; who reads nothing for long, and who says anything, is
 * dropped.
 */
#ifndef TOOLS_BRIDGED_CLIENTS_H
#define TOOLS_BRIDGED_CLIENTS_H

#include <stdint.h>

#include <libshrink/bridge/follow.h>

#define CLIENTS_MAX	 1024
/* Data of clients in the epoll lies below. */
#define CLIENTS_DATA_MAX (UINT64_MAX - 15)

struct clients_options {
	int max;	      /* clients */
	unsigned int patience; /* seconds a client may read nothing */
	/* the groups followed become more or fewer; add: 0, or a negative errno */
	int (*add_group)(uint64_t group);
	void (*remove_group)(uint64_t group);
};

/* @epoll gets each client's descriptor. */
int clients_init(int epoll, const struct clients_options *options);
/* Takes those that wait at @listener, a few at a time. */
void clients_accept(int listener);
/* The client with that data says something, or has ended. */
void clients_ready(uint64_t data);
/* Tells whom it concerns. */
void clients_tell(const struct follow_event *event);
/* Once a second. */
void clients_tick(void);
void clients_close(void);

#endif /* TOOLS_BRIDGED_CLIENTS_H */
