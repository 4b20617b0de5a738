/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "examples/kvcached/worker.h"

#define BACKLOG	       1024
#define ACCEPTS_A_TURN 64

static int listen_fd = -1;
static struct event *readable;
static struct event *resume; /* out of descriptors: look again a little later */
static unsigned int port_bound;

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_add(readable, NULL);
}

/* Without descriptors the socket stays readable: do not spin on it. */
static void pause_accepting(void)
{
	const struct timeval pause = {0, 50000};

	event_del(readable);
	event_add(resume, &pause);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)arg;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int client = accept4((int)fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		const int on = 1;

		if (client < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				pause_accepting();
			return;
		}
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		workers_give(client);
	}
}

static int bind_one(const struct addrinfo *ai)
{
	const int on = 1;
	int r;

	listen_fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listen_fd < 0)
		return -errno;
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listen_fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(listen_fd, BACKLOG) == 0)
		return 0;
	r = -errno;
	close(listen_fd);
	listen_fd = -1;
	return r;
}

static void learn_port(void)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);

	if (getsockname(listen_fd, (struct sockaddr *)&bound, &len) < 0)
		return;
	if (bound.ss_family == AF_INET6)
		port_bound = ntohs(((struct sockaddr_in6 *)&bound)->sin6_port);
	else
		port_bound = ntohs(((struct sockaddr_in *)&bound)->sin_port);
}

int listener_open(struct event_base *base, const char *address, const char *port)
{
	struct addrinfo hints, *list;
	int r;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_PASSIVE;
	r = getaddrinfo(address, port, &hints, &list);
	if (r) {
		fprintf(stderr, "kvcached: %s: %s\n", address, gai_strerror(r));
		return -EINVAL;
	}
	r = bind_one(list);
	freeaddrinfo(list);
	if (r) {
		fprintf(stderr, "kvcached: %s:%s: %s\n", address, port, strerror(-r));
		return r;
	}
	learn_port();
	readable = event_new(base, listen_fd, EV_READ | EV_PERSIST, on_readable, NULL);
	resume = evtimer_new(base, on_resume, NULL);
	if (!readable || !resume || event_add(readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void listener_close(void)
{
	if (readable)
		event_free(readable);
	if (resume)
		event_free(resume);
	if (listen_fd >= 0)
		close(listen_fd);
	readable = NULL;
	resume = NULL;
	listen_fd = -1;
}

unsigned int listener_port(void)
{
	return port_bound;
}
