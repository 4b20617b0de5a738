/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/conn.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "examples/kvcached/command.h"
#include "examples/kvcached/worker.h"

#define INPUT_FIRST	(16 * 1024)
#define RECEIVES_A_TURN 16 /* then the thread's other clients */

struct conn {
	struct session session;
	struct worker *worker;
	struct conn *next, **link; /* in the worker's list */
	struct event *readable;
	struct event *writable;
	struct event *resume; /* it has to wait so long: a timer */
	bool waits;
	enum next state;
	bool eof; /* the client will send no more */
	int fd;
	size_t filled; /* of the item's value */
	char *in;      /* input: [in_at, in_end) waits to be parsed */
	size_t in_size, in_at, in_end;
};

static void on_event(evutil_socket_t fd, short what, void *arg);
static void on_resume(evutil_socket_t fd, short what, void *arg);

static void conn_link(struct conn *c)
{
	c->link = worker_conns(c->worker);
	c->next = *c->link;
	if (c->next)
		c->next->link = &c->next;
	*c->link = c;
}

static void conn_unlink(struct conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
}

static void conn_release(struct conn *c)
{
	command_abort(&c->session);
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	if (c->resume)
		event_free(c->resume);
	if (c->session.out)
		evbuffer_free(c->session.out);
	free(c->in);
	free(c);
}

int conn_open(struct worker *w, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->worker = w;
	c->fd = fd;
	c->state = NEXT_COMMAND;
	c->session.stats = worker_stats(w);
	c->session.out = evbuffer_new();
	c->in_size = INPUT_FIRST;
	c->in = malloc(c->in_size);
	c->readable = event_new(worker_base(w), fd, EV_READ | EV_PERSIST, on_event, c);
	c->writable = event_new(worker_base(w), fd, EV_WRITE | EV_PERSIST, on_event, c);
	c->resume = evtimer_new(worker_base(w), on_resume, c);
	if (!c->session.out || !c->in || !c->readable || !c->writable || !c->resume ||
	    event_add(c->readable, NULL) < 0) {
		conn_release(c);
		return -ENOMEM;
	}
	conn_link(c);
	return 0;
}

void conn_close(struct conn *c)
{
	int fd = c->fd;

	conn_unlink(c);
	conn_release(c); /* its events first: they name the descriptor */
	close(fd);
	workers_closed();
}

/* Room behind in_end: unread bytes move to the front; a line that fills the
 * buffer gets a larger one. */
static bool input_room(struct conn *c)
{
	char *larger;

	if (c->in_at) {
		memmove(c->in, c->in + c->in_at, c->in_end - c->in_at);
		c->in_end -= c->in_at;
		c->in_at = 0;
	}
	if (c->in_end < c->in_size)
		return true;
	larger = realloc(c->in, c->in_size * 2);
	if (!larger)
		return false;
	c->in = larger;
	c->in_size *= 2;
	return true;
}

/* A long line made it grow: back to the ordinary size. */
static void input_trim(struct conn *c)
{
	char *smaller;

	if (c->in_at < c->in_end)
		return;
	c->in_at = c->in_end = 0;
	if (c->in_size == INPUT_FIRST)
		return;
	smaller = realloc(c->in, INPUT_FIRST);
	if (smaller) {
		c->in = smaller;
		c->in_size = INPUT_FIRST;
	}
}

static size_t value_left(const struct conn *c)
{
	return c->session.item->nbytes - c->filled;
}

/* One recv(): into the item where a value is under way and nothing else waits,
 * into the input otherwise. False if there is nothing more now. */
static bool receive(struct conn *c)
{
	bool to_item = c->state == NEXT_VALUE && c->in_at == c->in_end;
	ssize_t n;

	if (to_item)
		n = recv(c->fd, item_value(c->session.item) + c->filled, value_left(c), 0);
	else if (input_room(c))
		n = recv(c->fd, c->in + c->in_end, c->in_size - c->in_end, 0);
	else
		n = 0; /* no memory for this client's line */
	if (n <= 0) {
		c->eof = n == 0 || (errno != EAGAIN && errno != EINTR);
		return false;
	}
	STATS_ADD(c->session.stats, bytes_read, n);
	if (to_item)
		c->filled += (size_t)n;
	else
		c->in_end += (size_t)n;
	return true;
}

/* Each step works on the input that is there; false when it needs more of it. */
static bool step_command(struct conn *c)
{
	size_t used = 0;

	switch (proto_parse(c->in + c->in_at, c->in_end - c->in_at, &c->session.req, &used)) {
	case PROTO_MORE:
		return false;
	case PROTO_CLOSE:
		c->state = NEXT_CLOSE;
		return true;
	default:
		c->in_at += used;
		c->filled = 0;
		c->state = command_begin(&c->session);
		return true;
	}
}

static bool step_value(struct conn *c)
{
	size_t have = c->in_end - c->in_at;
	size_t n = value_left(c) < have ? value_left(c) : have;

	memcpy(item_value(c->session.item) + c->filled, c->in + c->in_at, n);
	c->in_at += n;
	c->filled += n;
	if (value_left(c))
		return false;
	c->state = command_value(&c->session);
	return true;
}

static bool step_swallow(struct conn *c)
{
	size_t have = c->in_end - c->in_at;
	size_t n = c->session.swallow < have ? c->session.swallow : have;

	c->in_at += n;
	c->session.swallow -= n;
	if (c->session.swallow)
		return false;
	c->state = NEXT_COMMAND;
	return true;
}

static bool step(struct conn *c)
{
	switch (c->state) {
	case NEXT_COMMAND:
		return step_command(c);
	case NEXT_VALUE:
		return step_value(c);
	case NEXT_SWALLOW:
		return step_swallow(c);
	case NEXT_KEYS:
		c->state = command_keys(&c->session);
		return true;
	default:
		return false;
	}
}

/* After a request: must the next one wait? Its answer goes out meanwhile. */
static void pause_if_owing(struct conn *c)
{
	uint64_t usec = c->state == NEXT_COMMAND ? command_owes(&c->session) : 0;
	struct timeval delay = {.tv_sec = (time_t)(usec / 1000000),
				.tv_usec = (suseconds_t)(usec % 1000000)};

	c->waits = usec && event_add(c->resume, &delay) == 0;
}

static bool output_high(const struct conn *c)
{
	return evbuffer_get_length(c->session.out) > OUTPUT_HIGH;
}

/* Writes what the socket takes; false if the client is gone. */
static bool flush(struct conn *c)
{
	while (evbuffer_get_length(c->session.out)) {
		int n = evbuffer_write(c->session.out, c->fd);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		STATS_ADD(c->session.stats, bytes_written, n);
	}
	return true;
}

/* Carries out all that can be with the input there is. */
static bool work(struct conn *c)
{
	bool more = true;

	while (more) {
		while (!c->waits && !output_high(c) && (more = step(c)))
			pause_if_owing(c);
		if (!flush(c))
			return false;
		more = more && !c->waits && !output_high(c);
	}
	input_trim(c);
	return true;
}

static void watch(struct event *event, bool wanted)
{
	bool pending = event_pending(event, EV_READ | EV_WRITE, NULL) != 0;

	if (wanted && !pending)
		event_add(event, NULL);
	else if (!wanted && pending)
		event_del(event);
}

/* True while the dialogue goes on. */
static bool turn(struct conn *c, bool may_read)
{
	bool alive = work(c);

	for (int i = 0; alive && may_read && i < RECEIVES_A_TURN; i++) {
		if (c->eof || c->waits || c->state == NEXT_CLOSE || output_high(c))
			break;
		if (!receive(c))
			break;
		alive = work(c);
	}
	if (c->waits || evbuffer_get_length(c->session.out))
		return alive;
	if (c->eof || c->state == NEXT_CLOSE)
		alive = false;
	return alive;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if (!turn(c, (what & EV_READ) != 0)) {
		conn_close(c);
		return;
	}
	watch(c->readable,
	      !c->eof && !c->waits && c->state != NEXT_CLOSE && !output_high(c));
	watch(c->writable, evbuffer_get_length(c->session.out) != 0);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	c->waits = false;
	on_event(c->fd, EV_READ, c);
}
