/* SPDX-License-Identifier: MIT */
/*
 * kvcached: a cache server that uses all the memory it may and gives it back
 * when that is needed elsewhere. What libshrink asks of a server is marked
 * "libshrink:" in these files; README.md lists the places.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <shrink/shrink.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/lists.h"
#include "examples/kvcached/listener.h"
#include "examples/kvcached/negative.h"
#include "examples/kvcached/options.h"
#include "examples/kvcached/purge.h"
#include "examples/kvcached/store.h"
#include "examples/kvcached/tenant.h"
#include "examples/kvcached/worker.h"

static int fail(const char *what, int r)
{
	fprintf(stderr, "kvcached: %s: %s\n", what, strerror(-r));
	return r;
}

static void library_log(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	if (level <= SHRINK_LOG_WARNING || options_verbosity())
		fprintf(stderr, "libshrink: %s\n", line);
}

/* libshrink: what may the cache become? For sizing at start, and for the log. */
static void say_limits(void)
{
	struct shrink_limits limits;

	if (!options_verbosity() || shrink_limits(&limits, sizeof(limits)) < 0)
		return;
	fprintf(stderr, "kvcached: limit %llu, used %llu, reclaim below %llu free\n",
		(unsigned long long)limits.limit, (unsigned long long)limits.usage,
		(unsigned long long)limits.low_wmark);
}

/* libshrink: the program starts it, once, after it has its final identity, and
 * whatever the outcome the server serves: without pressure to notice, its caches
 * are just caches. */
static int start_library(void)
{
	int r;

	shrink_set_log(library_log, NULL);
	r = shrink_start(0);
	if (r == -ECANCELED && options_verbosity())
		fputs("kvcached: libshrink is switched off\n", stderr);
	else if (r < 0 && r != -ECANCELED)
		fail("libshrink does not start, the cache will not shrink", r);
	say_limits();
	return r;
}

static int caches_init(const struct options *options)
{
	int r;

	lists_use(options->lruvec);
	r = options->purgeable ? purge_open(options->ceiling) : 0;
	if (r)
		return fail("no region for values", r);
	store_use(options->store);
	r = tenants_init(options);
	if (r == -EINVAL) /* it has said what is wrong */
		return r;
	if (r == 0)
		r = negative_init();
	return r ? fail("no memory for the caches", r) : 0;
}

static void caches_fini(void)
{
	negative_fini();
	tenants_fini();
	purge_close();
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	event_base_loopbreak(arg);
}

/* Only the main thread takes signals: workers inherit the mask. */
static void block_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(how, &set, NULL);
}

/* Accepts until a signal ends it. */
static int serve(struct event_base *base, const struct options *options)
{
	struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
	struct event *interrupt = evsignal_new(base, SIGINT, on_signal, base);
	int r = -ENOMEM;

	if (term && interrupt && !event_add(term, NULL) && !event_add(interrupt, NULL))
		r = listener_open(base, options->address, options->port);
	if (r == 0) {
		block_signals(SIG_UNBLOCK);
		printf("kvcached: listening on %s:%u\n", options->address, listener_port());
		fflush(stdout);
		event_base_dispatch(base);
	}
	listener_close();
	if (term)
		event_free(term);
	if (interrupt)
		event_free(interrupt);
	return r;
}

static int run(const struct options *options)
{
	struct event_base *base = event_base_new();
	int r;

	if (!base)
		return fail("event loop", -ENOMEM);
	r = workers_start(options->threads);
	if (r < 0)
		fail("worker threads", r);
	else
		r = serve(base, options);
	workers_stop();
	event_base_free(base);
	return r;
}

int main(int argc, char **argv)
{
	struct options options;
	int r = options_parse(argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? 0 : 2;
	signal(SIGPIPE, SIG_IGN);
	block_signals(SIG_BLOCK);
	clock_init();
	r = caches_init(&options);
	if (r)
		return r == -EINVAL ? 2 : 1;
	start_library();
	r = run(&options);
	/* libshrink: stop first, so that no scan meets a cache being torn down. */
	shrink_stop();
	caches_fini();
	libevent_global_shutdown();
	return r ? 1 : 0;
}
