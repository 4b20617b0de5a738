// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/kvload/conn.h"

#define NSEC 1000000000ull
#define GRACE_NSEC NSEC              /* for requests outstanding at the end */
#define BEHIND_NSEC (NSEC / 10)      /* what a connection may catch up after a stall */
#define WAIT_NSEC (NSEC / 20)        /* the phase is looked at this often */
#define LATE_NSEC (NSEC / 1000)      /* begun so much after it was due: it has waited */

struct load_thread {
	struct load *load;
	pthread_t id;
	int epoll_fd;
	uint64_t arrival_nsec; /* open: when the next read is due; 0 = not begun */
	struct rng arrivals;
	unsigned int nr_conns;
	struct conn *conn;
};

uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC + (uint64_t)now.tv_nsec;
}

static int fill_key(struct load *load, uint64_t *ret_id)
{
	uint64_t i = atomic_fetch_add(&load->fill_next, 1);

	if (i >= load->options.fill)
		return 0;
	*ret_id = i * load->fill_stride % load->options.keys;
	return 1;
}

static int may_read(struct load *load)
{
	uint64_t max = load->options.reads_max;

	return atomic_fetch_add(&load->reads, 1) < max || !max;
}

/* When the connection's next read is due, so that all together keep the rate. */
static uint64_t next_due(const struct conn *conn, uint64_t now)
{
	const struct load_options *options = &conn->load->options;
	uint64_t due;

	if (!options->rate)
		return now;
	due = conn->due_nsec + NSEC * options->conns / options->rate;
	return due + BEHIND_NSEC < now ? now - BEHIND_NSEC : due;
}

/* Which key is read: one of the Zipf law's, or the scan's next. */
static uint64_t read_key(struct load *load, struct rng *rng)
{
	if (load->options.scan && rng_unit(rng) * 100 < load->options.scan) {
		atomic_fetch_add(&load->counters.scans, 1);
		return load->options.keys + atomic_fetch_add(&load->scan_next, 1);
	}
	return zipf_next(&load->zipf, rng) - 1;
}

/* The gap to the next read of this thread, exponentially distributed. */
static uint64_t gap(struct load_thread *thread)
{
	const struct load_options *o = &thread->load->options;
	double mean = (double)NSEC * o->threads / (double)o->open_rate;

	return (uint64_t)(-log(1 - rng_unit(&thread->arrivals)) * mean);
}

/* A read is due, or will be: at most one connection gets it. */
static void next_arrival(struct load_thread *thread, struct conn *conn, uint64_t now)
{
	struct load *load = thread->load;
	uint64_t due;

	if (!thread->arrival_nsec)
		thread->arrival_nsec = now + gap(thread);
	due = thread->arrival_nsec;
	if (due > now) {
		conn->due_nsec = due;
		return;
	}
	if (!may_read(load)) {
		conn->due_nsec = now + WAIT_NSEC;
		return;
	}
	thread->arrival_nsec += gap(thread);
	if (now - due > LATE_NSEC)
		atomic_fetch_add(&load->counters.late, 1);
	conn_ask(conn, REQUEST_GET, read_key(load, &conn->rng), 0, due);
}

static void next_read(struct load_thread *thread, struct conn *conn, uint64_t now)
{
	struct load *load = thread->load;

	if (load->options.open_rate) {
		next_arrival(thread, conn, now);
	} else if (may_read(load)) {
		conn->due_nsec = next_due(conn, now);
		conn_ask(conn, REQUEST_GET, read_key(load, &conn->rng), 0, now_nsec());
	} else {
		conn->due_nsec = now + WAIT_NSEC;
	}
}

static void conn_next(struct load_thread *thread, struct conn *conn, uint64_t now)
{
	struct load *load = thread->load;
	uint64_t id;

	switch ((enum load_phase)load->phase) {
	case LOAD_FILL:
		if (fill_key(load, &id))
			conn_ask(conn, REQUEST_SET, id, 1, now_nsec());
		else
			conn->due_nsec = now + WAIT_NSEC;
		break;
	case LOAD_READ:
		next_read(thread, conn, now);
		break;
	case LOAD_STOP:
		break;
	}
}

/* Begins what is due; returns when the next is. */
static uint64_t begin_due(struct load_thread *thread, uint64_t now)
{
	uint64_t next = now + WAIT_NSEC;

	for (unsigned int i = 0; i < thread->nr_conns; i++) {
		struct conn *conn = &thread->conn[i];

		if (conn->due_nsec <= now) {
			if (conn->state == CONN_DOWN)
				conn_open(conn);
			else if (conn->state == CONN_IDLE)
				conn_next(thread, conn, now);
		}
		if ((conn->state == CONN_DOWN || conn->state == CONN_IDLE) && conn->due_nsec < next)
			next = conn->due_nsec;
	}
	return next;
}

static int waits_for_answer(const struct load_thread *thread)
{
	for (unsigned int i = 0; i < thread->nr_conns; i++)
		if (thread->conn[i].kind != REQUEST_NONE)
			return 1;
	return 0;
}

static void poll_once(struct load_thread *thread, uint64_t until)
{
	struct epoll_event event[64];
	uint64_t now = now_nsec(), wait = until > now ? until - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(wait / NSEC), .tv_nsec = (long)(wait % NSEC)};
	int n = epoll_pwait2(thread->epoll_fd, event, 64, &timeout, NULL);

	for (int i = 0; i < n; i++)
		conn_event(event[i].data.ptr, event[i].events);
}

/* Reads that were due before @end and that no connection was ever free for have
 * waited, too. */
static void give_up_arrivals(struct load_thread *thread, uint64_t end)
{
	struct load *load = thread->load;
	uint64_t max = load->options.reads_max, now = now_nsec();

	if (!thread->arrival_nsec || (max && load->reads >= max))
		return;
	for (; thread->arrival_nsec < end; thread->arrival_nsec += gap(thread)) {
		hist_add(&load->counters.pause_nsec, now - thread->arrival_nsec);
		atomic_fetch_add(&load->counters.unanswered, 1);
	}
}

/* What no answer came to has waited at least so long. */
static void give_up(struct load_thread *thread)
{
	struct load_counters *counters = &thread->load->counters;

	for (unsigned int i = 0; i < thread->nr_conns; i++) {
		struct conn *conn = &thread->conn[i];

		if (conn->kind == REQUEST_NONE)
			continue;
		hist_add(&counters->pause_nsec, now_nsec() - conn->began_nsec);
		atomic_fetch_add(&counters->unanswered, 1);
	}
}

static void *load_thread_main(void *arg)
{
	struct load_thread *thread = arg;
	struct load *load = thread->load;
	uint64_t end;

	/* what is due at a time is begun at that time, not 50 us later */
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	while (load->phase != LOAD_STOP)
		poll_once(thread, begin_due(thread, now_nsec()));
	end = now_nsec();
	while (waits_for_answer(thread) && now_nsec() < end + GRACE_NSEC)
		poll_once(thread, begin_due(thread, now_nsec()));
	give_up(thread);
	give_up_arrivals(thread, end);
	return NULL;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	return b ? gcd(b, a % b) : a;
}

static uint64_t stride_for(uint64_t keys)
{
	uint64_t stride = (uint64_t)((double)keys * 0.6180339887) | 1;

	while (gcd(stride, keys) != 1)
		stride += 2;
	return stride;
}

static int thread_init(struct load_thread *thread, struct load *load, unsigned int index)
{
	const struct load_options *options = &load->options;
	unsigned int n = options->conns / options->threads;

	if (index < options->conns % options->threads)
		n++;
	thread->load = load;
	rng_seed(&thread->arrivals, ~options->seed - index);
	thread->conn = calloc(n ? n : 1, sizeof(*thread->conn));
	thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!thread->conn || thread->epoll_fd < 0)
		return -ENOMEM;
	for (; thread->nr_conns < n; thread->nr_conns++)
		if (conn_init(&thread->conn[thread->nr_conns], load, thread->epoll_fd,
			      thread->nr_conns * options->threads + index) < 0)
			return -ENOMEM;
	return 0;
}

int load_start(struct load *load, const struct load_options *options)
{
	load->options = *options;
	load->fill_stride = stride_for(options->keys);
	zipf_init(&load->zipf, options->keys, options->exponent);
	load->phase = options->fill ? LOAD_FILL : LOAD_READ;
	load->thread = calloc(options->threads, sizeof(*load->thread));
	if (!load->thread)
		return -ENOMEM;
	for (unsigned int i = 0; i < options->threads; i++)
		if (thread_init(&load->thread[i], load, i) < 0)
			return -ENOMEM;
	for (unsigned int i = 0; i < options->threads; i++)
		if (pthread_create(&load->thread[i].id, NULL, load_thread_main, &load->thread[i]))
			return -EAGAIN;
	return 0;
}

void load_stop(struct load *load)
{
	load->phase = LOAD_STOP;
	for (unsigned int i = 0; i < load->options.threads; i++) {
		struct load_thread *thread = &load->thread[i];

		pthread_join(thread->id, NULL);
		for (unsigned int c = 0; c < thread->nr_conns; c++)
			conn_destroy(&thread->conn[c]);
		free(thread->conn);
		close(thread->epoll_fd);
	}
	free(load->thread);
}
