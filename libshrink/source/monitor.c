// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The monitor's thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/growth.h>
#include <libshrink/core/rcu.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/thread.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/reclaim/nodes.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/renew.h>
#include <libshrink/source/source.h>
#include <libshrink/source/sources.h>

#define WAKE_DATA UINT64_MAX
#define ATTACHED_DATA (UINT64_MAX - 1)
#define EVENTS_MAX 32
/* Looks in one turn, while a gauge cannot be read: until it has failed for good and who
 * takes over has been looked at, too. */
#define LOOKS_MAX 8

static bool opened;
static int epoll_fd = -1;
static _Atomic int wake_fd = -1;
static pthread_t thread;
static _Atomic int quit;
static _Atomic int again; /* look at the gauges now, somebody said */
static _Atomic uint64_t nr_events, nr_samples;

void shrink_monitor_wake(void)
{
	int fd = atomic_load_explicit(&wake_fd, memory_order_relaxed);

	atomic_store_explicit(&again, 1, memory_order_release);
	if (fd >= 0)
		shrink_os_notify(fd);
}

int shrink_monitor_open(void)
{
	int r;

	if (opened)
		return shrink_sources_nr_live();
	r = shrink_os_epoll();
	if (r < 0)
		return r;
	epoll_fd = r;
	r = shrink_os_eventfd(0);
	if (r < 0) {
		shrink_os_close(epoll_fd);
		epoll_fd = -1;
		return r;
	}
	atomic_store(&wake_fd, r);
	shrink_os_epoll_add(epoll_fd, r, EPOLLIN, WAKE_DATA);
	shrink_gauges_reset();
	shrink_sources_open(epoll_fd);
	shrink_renew_open();
	shrink_growth_on_crossing(shrink_monitor_wake);
	opened = true;
	return shrink_sources_nr_live();
}

void shrink_monitor_close(void)
{
	if (!opened)
		return;
	shrink_growth_on_crossing(NULL);
	shrink_renew_close();
	shrink_sources_close();
	shrink_gauges_reset();
	shrink_os_close(atomic_exchange(&wake_fd, -1));
	shrink_os_close(epoll_fd);
	epoll_fd = -1;
	opened = false;
}

/* After each call of a source. */
static void judge_source(struct shrink_source *src, int r, struct shrink_signal *sig,
			 struct shrink_signal *all)
{
	if (!shrink_sources_settle(src, r)) {
		all->recheck = 1;
		return;
	}
	if (sig->recheck || sig->stall || sig->hint || sig->bytes)
		__atomic_fetch_add(&src->events, 1, __ATOMIC_RELAXED);
	sig->source = src->ops->name;
	if (src->muted && sig->stall) {
		sig->hint = 1;
		sig->stall = SHRINK_LEVEL_NORMAL;
	}
	shrink_judge_merge(all, sig);
}

static bool chore_runs(struct shrink_source *src)
{
	return __atomic_load_n(&src->chore_due, __ATOMIC_ACQUIRE);
}

static void take_events(const struct epoll_event *events, int n, uint64_t now,
			struct shrink_signal *all)
{
	for (int i = 0; i < n; i++) {
		uint64_t data = events[i].data.u64;
		struct shrink_signal sig = {0};
		struct shrink_source *src;

		atomic_fetch_add_explicit(&nr_events, 1, memory_order_relaxed);
		if (data == WAKE_DATA) {
			shrink_os_drain(atomic_load_explicit(&wake_fd, memory_order_relaxed));
			continue;
		}
		if (data == ATTACHED_DATA)
			continue;
		src = shrink_sources_at(data >> 8);
		if (src->state != SHRINK_SOURCE_LIVE || (int)(data & 0xff) >= src->nr_fds)
			continue;
		judge_source(src,
			     src->ops->ready(src, (int)(data & 0xff), events[i].events, now, &sig),
			     &sig, all);
	}
}

static void take_samples(uint64_t now, struct shrink_signal *all)
{
	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);
		struct shrink_signal sig = {0};

		/* a chore writes next_sample: looked at only once it has ended */
		if (src->state != SHRINK_SOURCE_LIVE || !src->ops->sample || chore_runs(src) ||
		    now < src->next_sample)
			continue;
		judge_source(src, src->ops->sample(src, now, &sig), &sig, all);
	}
}

/* On the standby thread. The source is left alone by the monitor meanwhile. */
static void run_chores(void)
{
	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (!src->ops->chore || !chore_runs(src))
			continue;
		if (src->ops->chore(src) < 0)
			shrink_warn("source %s: %s; it goes on as it was", src->ops->name,
				    src->reason);
		src->next_sample = 0;
		__atomic_store_n(&src->chore_due, 0, __ATOMIC_RELEASE);
	}
	shrink_monitor_wake();
}

static uint64_t next_due(void)
{
	uint64_t next = shrink_min_u64(shrink_judge_next(), shrink_renew_next());
	bool chores = false;

	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (src->state != SHRINK_SOURCE_LIVE)
			continue;
		if (chore_runs(src))
			chores = true;
		else
			next = shrink_min_u64(next, src->next_sample);
	}
	if (chores)
		shrink_engine_chore(run_chores);
	return next;
}

static bool edge_is_watched(void)
{
	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		if (src->ops == &shrink_source_thresholds)
			return src->state == SHRINK_SOURCE_LIVE && src->nr_fds && !chore_runs(src);
	}
	return false;
}

/* Returns when the next turn is due. */
static uint64_t turn(const struct epoll_event *events, int n)
{
	struct shrink_signal sig = {0};
	uint64_t now = shrink_os_clock();

	sig.recheck = shrink_renew_turn(now);
	take_events(events, n, now, &sig);
	take_samples(now, &sig);
	if (atomic_exchange_explicit(&again, 0, memory_order_acquire))
		sig.recheck = 1;
	if (shrink_judge(now, &sig, edge_is_watched())) {
		atomic_fetch_add_explicit(&nr_samples, 1, memory_order_relaxed);
		/* no blind turn: what takes over is looked at at once */
		sig = (struct shrink_signal){.recheck = 1};
		for (int i = 0; i < LOOKS_MAX && !shrink_sources_settle_gauges(); i++)
			shrink_judge(now, &sig, edge_is_watched());
	}
	shrink_engine_poke();
	return next_due();
}

uint64_t shrink_monitor_turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = shrink_os_epoll_wait(epoll_fd, events, EVENTS_MAX, 0);

	return turn(events, n < 0 ? 0 : n);
}

int shrink_monitor_attach(int fd)
{
	int r = shrink_os_epoll_add(epoll_fd, fd, EPOLLIN, ATTACHED_DATA);

	return r < 0 ? r : epoll_fd;
}

static bool is_among(const struct epoll_event *events, int n, uint64_t place)
{
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 >> 8 == place)
			return true;
	return false;
}

/* Somebody has found our epoll ready: polling takes a PSI trigger's event, and it was not
 * us who polled. So of those that are not ready now nobody knows whether they were; that
 * something else is, our timer perhaps, says nothing of them. The totals do. */
uint64_t shrink_monitor_turn_polled(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = shrink_os_epoll_wait(epoll_fd, events, EVENTS_MAX, 0);

	for (size_t i = 0; i < shrink_sources_nr(); i++) {
		struct shrink_source *src = shrink_sources_at(i);

		/* who cannot be sampled would be due for ever */
		if (src->nr_fds && src->ops->sample && !chore_runs(src) && !is_among(events, n, i))
			src->next_sample = 0;
	}
	return turn(events, n < 0 ? 0 : n);
}

/* True: somebody may be stuck soon. */
static bool watch_workers(uint64_t now)
{
	bool busy = shrink_engine_busy();

	if (busy)
		shrink_engine_watch(now);
	return shrink_nodes_watch(now) || busy;
}

static void *monitor(void *arg)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t next = 0;

	(void)arg;
	shrink_os_thread_warm_stack();
	shrink_os_thread_be_prompt();
	shrink_rcu_read_lock();
	shrink_rcu_read_unlock();
	while (!atomic_load_explicit(&quit, memory_order_acquire)) {
		uint64_t now = shrink_os_clock(), usec;
		int n;

		usec = next == UINT64_MAX ? UINT64_MAX : (shrink_sub_u64(next, now) + 999) / 1000;
		if (watch_workers(now))
			usec = shrink_min_u64(usec, SHRINK_TUN(overrun) * 500);
		n = shrink_os_epoll_wait(epoll_fd, events, EVENTS_MAX, usec);
		if (!n && usec != UINT64_MAX)
			shrink_gauges_late(shrink_sub_u64(shrink_os_clock(),
							  now + usec * NSEC_PER_USEC));
		next = turn(events, n < 0 ? 0 : n);
	}
	return NULL;
}

int shrink_monitor_start(void)
{
	atomic_store(&quit, 0);
	atomic_store(&again, 1);
	shrink_judge_reset();
	shrink_engine_on_done(shrink_monitor_wake);
	return shrink_os_thread_create(&thread, "shrink-monitor", monitor, NULL);
}

void shrink_monitor_stop(void)
{
	atomic_store_explicit(&quit, 1, memory_order_release);
	shrink_monitor_wake();
	pthread_join(thread, NULL);
}

struct shrink_monitor_stats shrink_monitor_stats(void)
{
	return (struct shrink_monitor_stats){
		.events = atomic_load_explicit(&nr_events, memory_order_relaxed),
		.samples = atomic_load_explicit(&nr_samples, memory_order_relaxed),
	};
}

void shrink_monitor_fork_prepare(void)
{
	shrink_source_lock();
}

void shrink_monitor_fork_parent(void)
{
	shrink_source_unlock();
}

/* Descriptors are closed and numbers void: forget them, so that open() starts
 * afresh. Sources' own static state is open()'s to reset. */
void shrink_monitor_fork_child(void)
{
	shrink_renew_forget();
	shrink_sources_forget();
	shrink_gauges_reset();
	epoll_fd = -1;
	atomic_store(&wake_fd, -1);
	opened = false;
	shrink_source_unlock();
}
