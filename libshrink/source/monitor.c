// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The monitor's thread, and the ladder of sources it waits for. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/thread.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/simulated.h>
#include <libshrink/source/source.h>

#define WAKE_DATA UINT64_MAX
#define ATTACHED_DATA (UINT64_MAX - 1)
#define EVENTS_MAX 32

/* Strongest first: the order in which shrink_sources() lists them. */
static const struct shrink_source_ops *const ladder[] = {
	&shrink_source_usage,
	&shrink_source_thresholds,
	&shrink_source_events,
	&shrink_source_psi,
	&shrink_source_memavailable,
	&shrink_source_rss,
	&shrink_source_manual,
	&shrink_source_simulated,
};
#define SOURCES SHRINK_ARRAY_SIZE(ladder)

static struct shrink_cgroup cgroup;
static struct shrink_source sources[SOURCES];
static bool opened;
static int epoll_fd = -1;
static _Atomic int wake_fd = -1;
static pthread_t thread;
static _Atomic int quit;
static _Atomic int again; /* look at the gauges now, somebody said */
static _Atomic uint64_t nr_events, nr_samples;

static void set_state(struct shrink_source *src, enum shrink_source_state state)
{
	shrink_source_lock();
	src->state = state;
	shrink_source_unlock();
}

void shrink_monitor_wake(void)
{
	int fd = atomic_load_explicit(&wake_fd, memory_order_relaxed);

	atomic_store_explicit(&again, 1, memory_order_release);
	if (fd >= 0)
		shrink_os_notify(fd);
}

static int watch_fds(struct shrink_source *src)
{
	uint64_t index = (uint64_t)(src - sources);

	src->fds_changed = 0;
	for (int i = 0; i < src->nr_fds && epoll_fd >= 0; i++) {
		uint32_t events = src->epoll[i] ? src->epoll[i] : EPOLLIN;
		int r = shrink_os_epoll_add(epoll_fd, src->fd[i], events, index << 8 | (uint64_t)i);

		if (r < 0)
			return shrink_source_fail(src, r, "cannot be waited for: %s", strerror(-r));
	}
	return 0;
}

/* The next one goes on (G9). */
static void give_up(struct shrink_source *src, int err)
{
	if (src->gauge)
		shrink_gauges_drop(src->gauge);
	src->ops->close(src);
	src->nr_fds = 0;
	src->next_sample = UINT64_MAX;
	set_state(src, SHRINK_SOURCE_FAILED);
	shrink_warn("source %s has failed (%s): %s; the others go on", src->ops->name,
		    strerror(-err), src->reason);
}

static void open_one(struct shrink_source *src, const struct shrink_source_ops *ops)
{
	int r;

	memset(src, 0, sizeof(*src));
	src->ops = ops;
	src->cgroup = &cgroup;
	src->next_sample = UINT64_MAX;
	/* In simulation there is no other source: the test is the whole system */
	if (shrink_simulated() && ops != &shrink_source_simulated && ops != &shrink_source_manual)
		r = shrink_source_fail(src, -ECANCELED, "started simulated");
	else
		r = ops->open(src);
	if (!r && src->gauge)
		r = shrink_gauges_add(src->gauge);
	if (!r)
		set_state(src, SHRINK_SOURCE_LIVE);
	else
		set_state(src, r == -ECANCELED ? SHRINK_SOURCE_OFF : SHRINK_SOURCE_UNSUPPORTED);
}

static int nr_live(void)
{
	int n = 0;

	for (size_t i = 0; i < SOURCES; i++)
		n += sources[i].state == SHRINK_SOURCE_LIVE &&
		     sources[i].ops != &shrink_source_manual;
	return n;
}

int shrink_monitor_open(void)
{
	int r;

	if (opened)
		return nr_live();
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
	memset(&cgroup, 0, sizeof(cgroup));
	if (!shrink_simulated())
		shrink_os_cgroup_open(&cgroup);
	for (size_t i = 0; i < SOURCES; i++) {
		open_one(&sources[i], ladder[i]);
		if (sources[i].state == SHRINK_SOURCE_LIVE && watch_fds(&sources[i]) < 0)
			give_up(&sources[i], -EIO);
	}
	opened = true;
	return nr_live();
}

void shrink_monitor_close(void)
{
	if (!opened)
		return;
	for (size_t i = 0; i < SOURCES; i++) {
		if (sources[i].state == SHRINK_SOURCE_LIVE)
			sources[i].ops->close(&sources[i]);
		set_state(&sources[i], SHRINK_SOURCE_OFF);
		shrink_source_fail(&sources[i], 0, "not started");
	}
	shrink_gauges_reset();
	shrink_os_cgroup_close(&cgroup);
	shrink_os_close(atomic_exchange(&wake_fd, -1));
	shrink_os_close(epoll_fd);
	epoll_fd = -1;
	opened = false;
}

/* After each call of a source. */
static void judge_source(struct shrink_source *src, int r, const struct shrink_signal *sig,
			 struct shrink_signal *all)
{
	if (r < 0 || (src->fds_changed && watch_fds(src) < 0)) {
		give_up(src, r < 0 ? r : -EIO);
		all->recheck = 1;
		return;
	}
	if (sig->recheck || sig->stall || sig->hint || sig->bytes)
		__atomic_fetch_add(&src->events, 1, __ATOMIC_RELAXED);
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
		src = &sources[data >> 8];
		if (src->state != SHRINK_SOURCE_LIVE || (int)(data & 0xff) >= src->nr_fds)
			continue;
		judge_source(src,
			     src->ops->ready(src, (int)(data & 0xff), events[i].events, now, &sig),
			     &sig, all);
	}
}

static void take_samples(uint64_t now, struct shrink_signal *all)
{
	for (size_t i = 0; i < SOURCES; i++) {
		struct shrink_source *src = &sources[i];
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
	for (size_t i = 0; i < SOURCES; i++) {
		struct shrink_source *src = &sources[i];

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

static uint64_t next_due(uint64_t now)
{
	uint64_t next = shrink_judge_next(now);
	bool chores = false;

	for (size_t i = 0; i < SOURCES; i++) {
		struct shrink_source *src = &sources[i];

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
	for (size_t i = 0; i < SOURCES; i++)
		if (sources[i].ops == &shrink_source_thresholds)
			return sources[i].state == SHRINK_SOURCE_LIVE && sources[i].nr_fds &&
			       !chore_runs(&sources[i]);
	return false;
}

/* Returns when the next turn is due. */
static uint64_t turn(const struct epoll_event *events, int n)
{
	struct shrink_signal sig = {0};
	uint64_t now = shrink_os_clock();

	take_events(events, n, now, &sig);
	take_samples(now, &sig);
	if (atomic_exchange_explicit(&again, 0, memory_order_acquire))
		sig.recheck = 1;
	if (shrink_judge(now, &sig, edge_is_watched()))
		atomic_fetch_add_explicit(&nr_samples, 1, memory_order_relaxed);
	shrink_engine_poke();
	return next_due(now);
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

/* Somebody has found our epoll ready, and nothing in it is: polling takes a PSI
 * trigger's event, and it was not us who polled. The totals say what it was. */
uint64_t shrink_monitor_turn_polled(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = shrink_os_epoll_wait(epoll_fd, events, EVENTS_MAX, 0);

	for (size_t i = 0; n <= 0 && i < SOURCES; i++)
		if (sources[i].nr_fds && !chore_runs(&sources[i]))
			sources[i].next_sample = 0;
	return turn(events, n < 0 ? 0 : n);
}

static void *monitor(void *arg)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t next = 0;

	(void)arg;
	shrink_os_thread_warm_stack();
	shrink_os_thread_be_prompt();
	while (!atomic_load_explicit(&quit, memory_order_acquire)) {
		uint64_t now = shrink_os_clock(), usec;
		int n;

		usec = next == UINT64_MAX ? UINT64_MAX : (shrink_sub_u64(next, now) + 999) / 1000;
		if (shrink_engine_busy()) {
			shrink_engine_watch(now);
			usec = shrink_min_u64(usec, SHRINK_TUN(overrun) * 500);
		}
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

int shrink_monitor_sources(struct shrink_source_info *ret_infos, unsigned int max, size_t size)
{
	static const char *const states[] = {"off", "live", "unsupported", "failed"};
	char *out = (char *)ret_infos;
	unsigned int n;

	shrink_source_lock();
	for (n = 0; n < max && n < SOURCES; n++, out += size) {
		struct shrink_source_info info = {
			.events = __atomic_load_n(&sources[n].events, __ATOMIC_RELAXED),
		};

		strncpy(info.name, ladder[n]->name, sizeof(info.name) - 1);
		strncpy(info.state, states[sources[n].state], sizeof(info.state) - 1);
		memcpy(info.reason, sources[n].reason, sizeof(info.reason));
		memset(out, 0, size);
		memcpy(out, &info, size < sizeof(info) ? size : sizeof(info));
	}
	shrink_source_unlock();
	return (int)n;
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
	memset(sources, 0, sizeof(sources));
	memset(&cgroup, 0, sizeof(cgroup));
	shrink_gauges_reset();
	epoll_fd = -1;
	atomic_store(&wake_fd, -1);
	opened = false;
	shrink_source_unlock();
}
