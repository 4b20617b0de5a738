/* SPDX-License-Identifier: MIT */
/* The listening socket: accepts in the main thread, hands over to the workers. */
#ifndef KVCACHED_LISTENER_H
#define KVCACHED_LISTENER_H

#include <event2/event.h>

/* 0 or -errno after saying why. */
int listener_open(struct event_base *base, const char *address, const char *port);
void listener_close(void);
/* The port listened on, also where 0 was asked for. */
unsigned int listener_port(void);

#endif /* KVCACHED_LISTENER_H */
