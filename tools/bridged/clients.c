// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libshrink/bridge/wire.h>

#include "tools/bridged/clients.h"
#include "tools/bridged/whose.h"

#define NSEC	     1000000000ull
#define MSEC	     1000000ull
#define ACCEPTS_MAX  16		  /* in one turn */
#define BUFFER_BYTES 16384	  /* of events not read */
#define TRUST_NSEC   (100 * MSEC) /* a group that was looked up is believed so long */

struct client {
	int fd; /* -1 = free */
	int proc;
	uint64_t serial; /* of all clients ever: its place may be another's by now */
	uid_t uid;
	uint64_t group, looked; /* 0 = in none just now; when that was looked up */
	uint64_t lost;		/* was not told, all in all */
	uint64_t stuck;		/* since when it reads nothing; 0 = it does */
};

static struct client clients[CLIENTS_MAX];
static struct clients_options options;
static int epoll, nr_clients;
static uint64_t serials;

static uint64_t now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

int clients_init(int epoll_fd, const struct clients_options *o)
{
	epoll = epoll_fd;
	options = *o;
	for (int i = 0; i < CLIENTS_MAX; i++)
		clients[i] = (struct client){.fd = -1, .proc = -1};
	return options.max < 1 || options.max > CLIENTS_MAX ? -EINVAL : 0;
}

static int nr_of_group(uint64_t group)
{
	int n = 0;

	for (int i = 0; i < options.max; i++)
		n += clients[i].fd >= 0 && clients[i].group == group;
	return n;
}

static void leave_group(struct client *c)
{
	uint64_t group = c->group;

	c->group = 0;
	if (group && !nr_of_group(group))
		options.remove_group(group);
}

static int enter_group(struct client *c, uint64_t group)
{
	int r = nr_of_group(group) ? 0 : options.add_group(group);

	if (!r)
		c->group = group;
	return r;
}

static void drop(struct client *c)
{
	leave_group(c);
	if (c->fd >= 0)
		close(c->fd);
	if (c->proc >= 0)
		close(c->proc);
	*c = (struct client){.fd = -1, .proc = -1};
	nr_clients--;
}

/* Where it is now. A negative errno: it is not to be told, or has ended (-ESRCH). */
static int look_up(struct client *c)
{
	uint64_t group;
	int r = whose_group(c->proc, &group);

	c->looked = now_nsec();
	if (!r && group == c->group)
		return 0;
	leave_group(c);
	return r ? r : enter_group(c, group);
}

static int send_message(int fd, const struct wire_message *message)
{
	ssize_t n = send(fd, message, sizeof(*message), MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

static void hello(int fd, int err)
{
	struct wire_message message = {.type = WIRE_HELLO, .kind = WIRE_VERSION, .priority = err};

	(void)send_message(fd, &message);
}

static int nr_of_user(uid_t uid)
{
	int n = 0;

	for (int i = 0; i < options.max; i++)
		n += clients[i].fd >= 0 && clients[i].uid == uid;
	return n;
}

static struct client *free_place(uid_t uid)
{
	int share = options.max / 4 ? options.max / 4 : 1;

	if (nr_clients == options.max || (uid && nr_of_user(uid) >= share))
		return NULL;
	for (int i = 0; i < options.max; i++)
		if (clients[i].fd < 0)
			return &clients[i];
	return NULL;
}

static int watch(struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP,
				    .data.u64 = c->serial * CLIENTS_MAX + (uint64_t)(c - clients)};
	int bytes = BUFFER_BYTES;

	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0 ? -errno : 0;
}

/* 0: it is one of ours now, with all of its place. */
static int admit(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct client *c;
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 0)
		return -ESRCH; /* 0: of a namespace we do not see */
	c = free_place(peer.uid);
	if (!c)
		return -EUSERS;
	r = whose_open(peer.pid, peer.uid);
	if (r < 0)
		return r;
	*c = (struct client){.fd = fd, .proc = r, .serial = serials++, .uid = peer.uid};
	nr_clients++;
	r = look_up(c);
	if (!r || r == -EAGAIN) /* on the move: the next look finds it */
		r = watch(c);
	if (r < 0) {
		c->fd = -1; /* the caller's */
		drop(c);
	}
	return r;
}

void clients_accept(int listener)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

		if (fd < 0)
			return;
		r = admit(fd);
		hello(fd, r);
		if (r < 0)
			close(fd);
	}
}

/* Nothing is expected of it. */
void clients_ready(uint64_t data)
{
	struct client *c = &clients[data % CLIENTS_MAX];

	if (c->fd >= 0 && c->serial == data / CLIENTS_MAX)
		drop(c);
}

static void tell(struct client *c, const struct follow_event *event)
{
	struct wire_message message = {
		.type = WIRE_EVENT,
		.kind = event->kind,
		.nsec = event->nsec,
		.nid = event->nid,
		.priority = event->priority,
		.folded = event->folded,
		.lost = c->lost + event->lost,
	};
	int r = send_message(c->fd, &message);

	if (!r) {
		c->stuck = 0;
		return;
	}
	if (r != -EAGAIN && r != -ENOBUFS) {
		drop(c);
		return;
	}
	c->lost++;
	if (!c->stuck)
		c->stuck = now_nsec();
}

void clients_tell(const struct follow_event *event)
{
	uint64_t now = now_nsec();

	for (int i = 0; i < options.max; i++) {
		struct client *c = &clients[i];

		if (c->fd < 0 || c->group != event->group)
			continue;
		if (now - c->looked > TRUST_NSEC && (look_up(c) < 0 || c->group != event->group))
			continue;
		tell(c, event);
	}
}

void clients_tick(void)
{
	uint64_t now = now_nsec();

	for (int i = 0; i < options.max; i++) {
		struct client *c = &clients[i];

		if (c->fd < 0)
			continue;
		if (look_up(c) == -ESRCH ||
		    (c->stuck && now - c->stuck > options.patience * NSEC))
			drop(c);
	}
}

void clients_close(void)
{
	for (int i = 0; i < options.max; i++)
		if (clients[i].fd >= 0)
			drop(&clients[i]);
}
