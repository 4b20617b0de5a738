/* SPDX-License-Identifier: MIT */
/*
 * loop-libuv: A libuv loop waits for one descriptor more. See loop.c for the rest.
 */
#include <uv.h>

#include "examples/loop.h"

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	if (serve())
		uv_stop(poll->loop);
}

static void on_patience(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

int run_loop(int fd)
{
	uv_timer_t timer;
	uv_poll_t poll;
	uv_loop_t loop;

	if (uv_loop_init(&loop) < 0 || uv_poll_init(&loop, &poll, fd) < 0)
		return -1;
	uv_timer_init(&loop, &timer);
	uv_poll_start(&poll, UV_READABLE, on_ready);
	uv_timer_start(&timer, on_patience, PATIENCE_MSEC, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&poll, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT); /* lets the handles go */
	return uv_loop_close(&loop);
}
