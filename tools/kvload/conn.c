// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/kvload/conn.h"

#define LINE_ROOM 512u                 /* command or answer line around a value */
#define RETRY_NSEC (20ull * 1000 * 1000)

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

int conn_init(struct conn *conn, struct load *load, int epoll_fd, unsigned int number)
{
	memset(conn, 0, sizeof(*conn));
	conn->load = load;
	conn->epoll_fd = epoll_fd;
	conn->fd = -1;
	conn->state = CONN_DOWN;
	conn->in_size = load->options.range.max + LINE_ROOM;
	conn->in = malloc(conn->in_size);
	conn->out = malloc(conn->in_size);
	rng_seed(&conn->rng, load->options.seed * 1000003 + number);
	return conn->in && conn->out ? 0 : -ENOMEM;
}

void conn_destroy(struct conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn->in);
	free(conn->out);
}

/* Closes; the request that waits is asked again on the next connection. */
static void conn_drop(struct conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
	if (conn->state == CONN_BUSY)
		count(&conn->load->counters.lost);
	conn->state = CONN_DOWN;
	conn->due_nsec = now_nsec() + RETRY_NSEC;
}

static void conn_watch(struct conn *conn, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = conn};

	epoll_ctl(conn->epoll_fd, op, conn->fd, &event);
}

void conn_open(struct conn *conn)
{
	const struct sockaddr_in *server = &conn->load->options.server;
	int one = 1;

	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0) {
		conn_drop(conn);
		return;
	}
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn->state = CONN_CONNECTING;
	if (connect(conn->fd, (const struct sockaddr *)server, sizeof(*server)) < 0 &&
	    errno != EINPROGRESS) {
		conn_drop(conn);
		return;
	}
	conn_watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
}

static void write_request(struct conn *conn)
{
	char key[KEY_MAX];
	const struct value_range *range = &conn->load->options.range;
	uint32_t size = value_size(range, conn->id);

	value_key(key, conn->load->options.prefix, conn->id);
	conn->out_done = conn->in_len = 0;
	if (conn->kind == REQUEST_GET) {
		conn->out_len = (size_t)snprintf(conn->out, conn->in_size, "get %s\r\n", key);
		return;
	}
	conn->out_len = (size_t)snprintf(conn->out, conn->in_size, "set %s %u 0 %u\r\n", key,
					 value_flags(conn->id), size);
	value_make(range, conn->id, conn->out + conn->out_len);
	conn->out_len += size;
	memcpy(conn->out + conn->out_len, "\r\n", 2);
	conn->out_len += 2;
}

static void conn_send(struct conn *conn)
{
	while (conn->out_done < conn->out_len) {
		ssize_t n = send(conn->fd, conn->out + conn->out_done,
				 conn->out_len - conn->out_done, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			conn_watch(conn, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			conn_drop(conn);
			return;
		}
		conn->out_done += (size_t)n;
	}
}

static void conn_resend(struct conn *conn)
{
	conn->state = CONN_BUSY;
	write_request(conn);
	conn_send(conn);
}

void conn_ask(struct conn *conn, enum request_kind kind, uint64_t id, int filling, uint64_t since)
{
	conn->kind = kind;
	conn->id = id;
	conn->filling = filling;
	conn->began_nsec = since;
	count(kind == REQUEST_GET ? &conn->load->counters.gets : &conn->load->counters.sets);
	conn_resend(conn);
}

/* The answer is complete: takes the time, and follows a miss with its set. */
static void conn_answered(struct conn *conn, int miss)
{
	struct load *load = conn->load;

	/* the fill is a closed loop whatever follows: not to be mixed with an open one */
	if (!conn->filling || !load->options.open_rate)
		hist_add(&load->counters.pause_nsec, now_nsec() - conn->began_nsec);
	conn->state = CONN_IDLE;
	conn->kind = REQUEST_NONE;
	if (conn->filling)
		count(&load->fill_done);
	if (miss && load->phase != LOAD_STOP)
		conn_ask(conn, REQUEST_SET, conn->id, 0, now_nsec());
}

/* An answer that makes no sense, or says no: the line is all there is of it. */
static void conn_refused(struct conn *conn)
{
	int error = !strncmp(conn->in, "SERVER_ERROR", 12);

	count(error ? &conn->load->counters.refused : &conn->load->counters.garbled);
	conn_answered(conn, 0);
	if (!error)
		conn_drop(conn); /* the two are out of step */
}

/* Is the line of a VALUE answer about what was asked? */
static int value_line(const struct conn *conn, size_t *ret_size)
{
	char key[KEY_MAX], got[KEY_MAX];
	unsigned int flags, size;

	value_key(key, conn->load->options.prefix, conn->id);
	if (sscanf(conn->in, "VALUE %63s %u %u\r", got, &flags, &size) != 3)
		return -EINVAL;
	*ret_size = size;
	return !strcmp(key, got) && flags == value_flags(conn->id);
}

static void conn_read_value(struct conn *conn, size_t line)
{
	struct load_counters *counters = &conn->load->counters;
	const char *value = conn->in + line;
	size_t size = 0;
	int right = value_line(conn, &size);

	if (right < 0 || line + size + 7 > conn->in_size) {
		conn_refused(conn);
		return;
	}
	if (conn->in_len < line + size + 7)
		return;
	if (memcmp(value + size, "\r\nEND\r\n", 7) != 0) {
		conn_refused(conn);
		return;
	}
	count(&counters->hits);
	atomic_fetch_add_explicit(&counters->value_bytes, size, memory_order_relaxed);
	if (!right || !value_check(&conn->load->options.range, conn->id, value, size))
		count(&counters->bad);
	conn_answered(conn, 0);
}

static void conn_parse(struct conn *conn)
{
	char *end = memchr(conn->in, '\n', conn->in_len);

	if (!end)
		return;
	if (conn->kind == REQUEST_GET && !strncmp(conn->in, "VALUE ", 6)) {
		conn_read_value(conn, (size_t)(end - conn->in) + 1);
	} else if (conn->kind == REQUEST_GET && !strncmp(conn->in, "END\r\n", 5)) {
		conn_answered(conn, 1);
	} else if (conn->kind == REQUEST_SET && !strncmp(conn->in, "STORED\r\n", 8)) {
		count(&conn->load->counters.stored);
		conn_answered(conn, 0);
	} else {
		conn_refused(conn);
	}
}

static void conn_receive(struct conn *conn)
{
	do {
		ssize_t n = recv(conn->fd, conn->in + conn->in_len,
				 conn->in_size - conn->in_len - 1, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || conn->state == CONN_IDLE) {
			conn_drop(conn); /* gone, or speaks unasked */
			return;
		}
		conn->in_len += (size_t)n;
		conn->in[conn->in_len] = '\0';
		conn_parse(conn);
	} while (conn->state == CONN_BUSY);
}

static void conn_connected(struct conn *conn)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		conn_drop(conn);
		return;
	}
	conn_watch(conn, EPOLL_CTL_MOD, EPOLLIN);
	conn->state = CONN_IDLE;
	if (conn->kind != REQUEST_NONE)
		conn_resend(conn);
}

void conn_event(struct conn *conn, uint32_t events)
{
	if (conn->state == CONN_CONNECTING) {
		conn_connected(conn);
		return;
	}
	if ((events & EPOLLOUT) && conn->state == CONN_BUSY) {
		conn_watch(conn, EPOLL_CTL_MOD, EPOLLIN);
		conn_send(conn);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_receive(conn);
}
