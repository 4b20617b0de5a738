/* SPDX-License-Identifier: MIT */
/*
 * loop-sd-event: A sd-event loop waits for one descriptor more. See loop.c for the rest.
 */
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "examples/loop.h"

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	(void)arg;
	if (serve())
		sd_event_exit(sd_event_source_get_event(source), 0);
	return 0;
}

/* Without a handler of its own, a timer ends the loop. */
int run_loop(int fd)
{
	sd_event *event = NULL;
	int r = sd_event_new(&event);

	if (r < 0)
		return r;
	r = sd_event_add_io(event, NULL, fd, EPOLLIN, on_ready, NULL);
	if (r >= 0)
		r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC,
					       PATIENCE_MSEC * 1000ULL, 0, NULL, NULL);
	if (r >= 0)
		r = sd_event_loop(event);
	sd_event_unref(event);
	return r;
}
