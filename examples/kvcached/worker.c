/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "examples/kvcached/conn.h"

#define STOP (-1) /* in place of a descriptor */

/* A descriptor on its way. */
struct parcel {
	struct parcel *next;
	int fd;
};

struct worker {
	struct thread_stats stats;
	pthread_t thread;
	struct event_base *base;
	struct event *wake;
	int wake_fd;
	struct conn *conns;
	pthread_mutex_t lock; /* of the parcels */
	struct parcel *parcels;
} __attribute__((aligned(64)));

static struct worker *workers;
static unsigned int nr_workers;
static uint64_t nr_given, nr_closed;

struct event_base *worker_base(struct worker *w)
{
	return w->base;
}

struct thread_stats *worker_stats(struct worker *w)
{
	return &w->stats;
}

struct conn **worker_conns(struct worker *w)
{
	return &w->conns;
}

static struct parcel *take_parcels(struct worker *w)
{
	struct parcel *all;

	pthread_mutex_lock(&w->lock);
	all = w->parcels;
	w->parcels = NULL;
	pthread_mutex_unlock(&w->lock);
	return all;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct parcel *parcel;
	eventfd_t ignored;

	(void)what;
	eventfd_read((int)fd, &ignored);
	parcel = take_parcels(w);
	while (parcel) {
		struct parcel *next = parcel->next;

		if (parcel->fd == STOP)
			event_base_loopbreak(w->base);
		else if (conn_open(w, parcel->fd) < 0)
			close(parcel->fd);
		free(parcel);
		parcel = next;
	}
}

static void send_parcel(struct worker *w, int fd)
{
	struct parcel *parcel = malloc(sizeof(*parcel));

	if (!parcel) {
		if (fd != STOP)
			close(fd);
		return;
	}
	parcel->fd = fd;
	pthread_mutex_lock(&w->lock);
	parcel->next = w->parcels;
	w->parcels = parcel;
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->wake_fd, 1);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	event_base_dispatch(w->base);
	while (w->conns)
		conn_close(w->conns);
	return NULL;
}

static void worker_fini(struct worker *w)
{
	struct parcel *parcel = take_parcels(w);

	while (parcel) {
		struct parcel *next = parcel->next;

		if (parcel->fd != STOP)
			close(parcel->fd);
		free(parcel);
		parcel = next;
	}
	if (w->wake)
		event_free(w->wake);
	if (w->base)
		event_base_free(w->base);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	pthread_mutex_destroy(&w->lock);
}

static int worker_init(struct worker *w)
{
	pthread_mutex_init(&w->lock, NULL);
	w->base = event_base_new();
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!w->base || w->wake_fd < 0)
		return -ENOMEM;
	w->wake = event_new(w->base, w->wake_fd, EV_READ | EV_PERSIST, on_wake, w);
	if (!w->wake || event_add(w->wake, NULL) < 0)
		return -ENOMEM;
	return -pthread_create(&w->thread, NULL, worker_main, w);
}

int workers_start(unsigned int n)
{
	int r = 0;

	workers = aligned_alloc(64, n * sizeof(*workers));
	if (!workers)
		return -ENOMEM;
	memset(workers, 0, n * sizeof(*workers));
	while (nr_workers < n && r == 0) {
		r = worker_init(&workers[nr_workers]);
		if (r)
			worker_fini(&workers[nr_workers]);
		else
			nr_workers++;
	}
	return r;
}

void workers_stop(void)
{
	for (unsigned int i = 0; i < nr_workers; i++)
		send_parcel(&workers[i], STOP);
	for (unsigned int i = 0; i < nr_workers; i++) {
		pthread_join(workers[i].thread, NULL);
		worker_fini(&workers[i]);
	}
	free(workers);
	workers = NULL;
	nr_workers = 0;
}

void workers_give(int fd)
{
	uint64_t n = __atomic_fetch_add(&nr_given, 1u, __ATOMIC_RELAXED);

	send_parcel(&workers[n % nr_workers], fd);
}

void workers_closed(void)
{
	__atomic_fetch_add(&nr_closed, 1u, __ATOMIC_RELAXED);
}

void workers_connections(uint64_t *ret_current, uint64_t *ret_total)
{
	*ret_total = __atomic_load_n(&nr_given, __ATOMIC_RELAXED);
	*ret_current = *ret_total - __atomic_load_n(&nr_closed, __ATOMIC_RELAXED);
}

void workers_sum(struct thread_stats *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	for (unsigned int i = 0; i < nr_workers; i++) {
#define X(name) ret_sum->name += __atomic_load_n(&workers[i].stats.name, __ATOMIC_RELAXED);
		THREAD_STATS(X)
#undef X
	}
}

void workers_reset(void)
{
	for (unsigned int i = 0; i < nr_workers; i++) {
#define X(name) __atomic_store_n(&workers[i].stats.name, (uint64_t)0, __ATOMIC_RELAXED);
		THREAD_STATS(X)
#undef X
	}
}
