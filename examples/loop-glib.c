/* SPDX-License-Identifier: MIT */
/*
 * loop-glib: A GLib main loop waits for one descriptor more. See loop.c for the rest.
 */
#include <glib-unix.h>

#include "examples/loop.h"

static gboolean on_ready(gint fd, GIOCondition condition, gpointer arg)
{
	(void)fd;
	(void)condition;
	if (serve())
		g_main_loop_quit(arg);
	return G_SOURCE_CONTINUE;
}

static gboolean on_patience(gpointer arg)
{
	g_main_loop_quit(arg);
	return G_SOURCE_CONTINUE;
}

int run_loop(int fd)
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
