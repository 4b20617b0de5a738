/* SPDX-License-Identifier: MIT */
/*
 * owner-loop: a cache that only its event loop may touch, so it needs no lock at
 * all. The loop owns it: it publishes the count, watches one descriptor more, and
 * runs the scans itself when the descriptor says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <shrink/shrink.h>

#define ENTRY_BYTES 4096
#define ENTRIES	    5000
#define WAIT_MSEC   10000
#define BUDGET_USEC 2000 /* of scanning at a stretch; clients wait meanwhile */

static void *entries[ENTRIES]; /* no lock: this thread only */
static unsigned long nr_entries;

/* Runs inside shrink_owner_run(), on the loop's thread, wherever the pressure
 * was noticed. */
static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long freed = 0;

	while (freed < sc->nr_to_scan && nr_entries) {
		free(entries[--nr_entries]);
		freed++;
	}
	shrinker_set_count(s, 0, nr_entries, 0); /* publish what is left */
	return freed;
}

static struct shrinker *make_shrinker(struct shrink_owner *owner)
{
	struct shrinker *s = shrinker_alloc(0, "loop");

	if (!s)
		return NULL;
	s->owner = owner;
	s->scan_objects = scan; /* no count_objects: the count is published */
	s->object_size = ENTRY_BYTES;
	if (shrinker_register(s) == 0)
		return s;
	shrinker_free(s);
	return NULL;
}

static void fill(struct shrinker *s)
{
	while (nr_entries < ENTRIES) {
		void *p = malloc(ENTRY_BYTES);

		if (!p)
			break;
		memset(p, 1, ENTRY_BYTES);
		entries[nr_entries++] = p;
	}
	shrinker_set_count(s, 0, nr_entries, 0);
}

/* The loop a server has anyway, with one descriptor more. */
static long loop(struct shrink_owner *owner, unsigned long until)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	long freed = 0, n = 0;

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, shrink_owner_fd(owner), &event) < 0)
		return -errno;
	while (nr_entries > until && n >= 0) {
		if (epoll_wait(epoll, &event, 1, WAIT_MSEC) < 1)
			break; /* clients' descriptors would be served here too */
		n = shrink_owner_run(owner, BUDGET_USEC);
		freed += n;
	}
	close(epoll);
	return n < 0 ? n : freed;
}

int main(void)
{
	struct shrink_owner *owner = shrink_owner_create();
	struct shrinker *s = owner ? make_shrinker(owner) : NULL;
	long freed;
	int r;

	if (!s)
		return 1;
	r = shrink_start(0);
	if (r < 0) {
		fprintf(stderr, "owner-loop: %s\n", strerror(-r));
		return 1;
	}
	fill(s);
	printf("cached %lu\n", nr_entries);
	/* What real pressure would do, without waiting for it: a notice, answered
	 * by the library's worker with a request to our loop. */
	shrink_pressure(SHRINK_LEVEL_MEDIUM, 2 << 20);
	freed = loop(owner, ENTRIES - (2 << 20) / ENTRY_BYTES);
	shrink_pressure(SHRINK_LEVEL_NORMAL, 0);
	printf("freed %ld on the loop's own thread, left %lu\n", freed, nr_entries);
	shrink_stop();
	shrinker_free(s);
	shrink_owner_destroy(owner);
	while (nr_entries)
		free(entries[--nr_entries]);
	return freed >= (2 << 20) / ENTRY_BYTES ? 0 : 1;
}
