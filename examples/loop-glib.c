/* SPDX-License-Identifier: MIT */
/*
 * loop-glib: no thread of the library's. A GLib main loop waits for one
 * descriptor more, and the cache, which only the loop touches, needs no lock.
 */
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>

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

static gboolean on_ready(gint fd, GIOCondition condition, gpointer arg)
{
	(void)fd;
	(void)condition;
	freed += shrink_dispatch(BUDGET_USEC);
	if (freed >= ASKED / ENTRY_BYTES)
		g_main_loop_quit(arg);
	return G_SOURCE_CONTINUE;
}

static gboolean on_patience(gpointer arg)
{
	g_main_loop_quit(arg);
	return G_SOURCE_CONTINUE;
}

static int run_loop(int fd)
{
	GMainLoop *loop = g_main_loop_new(NULL, FALSE);
	guint ready = g_unix_fd_add(fd, G_IO_IN, on_ready, loop);
	guint timer = g_timeout_add(PATIENCE_MSEC, on_patience, loop);

	g_main_loop_run(loop);
	g_source_remove(timer);
	g_source_remove(ready);
	g_main_loop_unref(loop);
	return 0;
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
