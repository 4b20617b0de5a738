/* SPDX-License-Identifier: MIT */
/*
 * loop-sd-event: no thread of the library's. A sd-event loop waits for one
 * descriptor more, and the cache, which only the loop touches, needs no lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>

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

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	(void)arg;
	freed += shrink_dispatch(BUDGET_USEC);
	if (freed >= ASKED / ENTRY_BYTES)
		sd_event_exit(sd_event_source_get_event(source), 0);
	return 0;
}

/* Without a handler of its own, a timer ends the loop. */
static int run_loop(int fd)
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
