/* SPDX-License-Identifier: MIT */
/*
 * loop-libuv: no thread of the library's. A libuv loop waits for one
 * descriptor more, and the cache, which only the loop touches, needs no lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <shrink/shrink.h>

#define ENTRY_BYTES 4096
#define ENTRIES	    5000
#define ASKED	    (2 << 20)
#define BUDGET_USEC 2000 /* of scanning at a stretch; clients wait meanwhile */
#define PATIENCE_MSEC 10000

static void *entries[ENTRIES];
static unsigned long nr_entries;
static long freed;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return nr_entries;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = 0;

	(void)s;
	for (; n < sc->nr_to_scan && nr_entries; n++)
		free(entries[--nr_entries]);
	return n;
}

static struct shrinker *make_cache(void)
{
	struct shrinker *s = shrinker_alloc(0, "loop");

	while (s && nr_entries < ENTRIES && (entries[nr_entries] = malloc(ENTRY_BYTES)))
		nr_entries++;
	if (!s)
		return NULL;
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = ENTRY_BYTES;
	if (shrinker_register(s) == 0)
		return s;
	shrinker_free(s);
	return NULL;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	freed += shrink_dispatch(BUDGET_USEC);
	if (freed >= ASKED / ENTRY_BYTES)
		uv_stop(poll->loop);
}

static void on_patience(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static int run_loop(int fd)
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

int main(void)
{
	struct shrinker *s = make_cache();

	if (!s || shrink_start(SHRINK_START_LOOP) < 0)
		return 1;
	/* What real pressure would do, without waiting for it. */
	shrink_pressure(SHRINK_LEVEL_MEDIUM, ASKED);
	if (run_loop(shrink_get_fd()) < 0)
		return 1;
	shrink_stop();
	shrinker_free(s);
	printf("freed %ld in the loop, left %lu\n", freed, nr_entries);
	while (nr_entries)
		free(entries[--nr_entries]);
	return freed >= ASKED / ENTRY_BYTES ? 0 : 1;
}
