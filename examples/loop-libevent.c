/* SPDX-License-Identifier: MIT */
/*
 * loop-libevent: A libevent loop waits for one descriptor more. See loop.c for the rest.
 */
#include <event2/event.h>

#include "examples/loop.h"

/* The library's descriptor is readable: EV_PERSIST, since it says so again. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	if (serve())
		event_base_loopbreak(arg);
}

int run_loop(int fd)
{
	struct timeval patience = {.tv_sec = PATIENCE_MSEC / 1000};
	struct event_base *base = event_base_new();
	struct event *ready;

	if (!base)
		return -1;
	ready = event_new(base, fd, EV_READ | EV_PERSIST, on_ready, base);
	if (!ready)
		return -1;
	event_add(ready, NULL);
	event_base_loopexit(base, &patience);
	event_base_dispatch(base);
	event_free(ready);
	event_base_free(base);
	return 0;
}
