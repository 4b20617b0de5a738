// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Who wants to be told that the level is another.
 *
 * The eventfd is signalled where the level is published, so it is never late. The
 * functions are the application's and may take their time, which the monitor must
 * not (G4): they run as the standby's chore, and are told the level as it is then,
 * so that of several changes in a row they may see the last one only.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <shrink/reclaim.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/level.h>

#define LISTENERS 8

struct listener {
	void (*changed)(void *arg, enum shrink_level level);
	void *arg;
	bool running;
	enum shrink_level told;
};

/* Guards the listeners; held for moments, never while one runs. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static struct listener listeners[LISTENERS];
static _Atomic int nr_listeners;
static _Atomic int event_fd = -1;
static __thread const struct listener *inside __attribute__((tls_model("initial-exec")));

/* Lock held on entry and exit. */
static void tell(struct listener *l, enum shrink_level level)
{
	void (*changed)(void *arg, enum shrink_level level) = l->changed;
	void *arg = l->arg;

	if (!changed || l->running || l->told == level)
		return;
	l->told = level;
	l->running = true;
	pthread_mutex_unlock(&lock);
	inside = l;
	changed(arg, level);
	inside = NULL;
	pthread_mutex_lock(&lock);
	l->running = false;
	pthread_cond_broadcast(&returned);
}

void shrink_level_tell(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < LISTENERS; i++)
		tell(&listeners[i], shrink_level());
	pthread_mutex_unlock(&lock);
}

void shrink_level_changed(void)
{
	int fd = atomic_load_explicit(&event_fd, memory_order_relaxed);

	if (fd >= 0)
		shrink_os_notify(fd);
	if (atomic_load_explicit(&nr_listeners, memory_order_relaxed))
		shrink_engine_chore(shrink_level_tell);
}

static struct listener *find(void (*changed)(void *arg, enum shrink_level level), void *arg)
{
	for (int i = 0; i < LISTENERS; i++)
		if (listeners[i].changed == changed && (!changed || listeners[i].arg == arg))
			return &listeners[i];
	return NULL;
}

int shrink_level_listen(void (*changed)(void *arg, enum shrink_level level), void *arg)
{
	struct listener *l;
	int r = 0;

	if (!changed)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	if (find(changed, arg)) {
		r = -EEXIST;
	} else if ((l = find(NULL, NULL)) && !l->running) {
		*l = (struct listener){.changed = changed, .arg = arg, .told = shrink_level()};
		atomic_fetch_add(&nr_listeners, 1);
	} else {
		r = -ENOSPC;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int shrink_level_unlisten(void (*changed)(void *arg, enum shrink_level level), void *arg)
{
	struct listener *l;
	int r = -ENOENT;

	pthread_mutex_lock(&lock);
	l = changed ? find(changed, arg) : NULL;
	if (l) {
		l->changed = NULL;
		atomic_fetch_sub(&nr_listeners, 1);
		while (l->running && inside != l)
			pthread_cond_wait(&returned, &lock);
		r = 0;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int shrink_level_fd(void)
{
	int fd, none = -1;

	fd = atomic_load(&event_fd);
	if (fd >= 0)
		return fd;
	fd = shrink_os_eventfd(0);
	if (fd < 0 || atomic_compare_exchange_strong(&event_fd, &none, fd))
		return fd;
	shrink_os_close(fd); /* another thread was first */
	return none;
}

void shrink_level_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_level_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/* Listeners stay, as shrinkers do; the descriptor is closed, and asked for anew. */
void shrink_level_fork_child(void)
{
	for (int i = 0; i < LISTENERS; i++)
		listeners[i].running = inside == &listeners[i];
	pthread_cond_init(&returned, NULL);
	atomic_store(&event_fd, -1);
	pthread_mutex_unlock(&lock);
}
