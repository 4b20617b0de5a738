// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/log.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/gauges.h>
#include <libshrink/source/simulated.h>
#include <libshrink/source/sources.h>
#include <libshrink/source/systemd.h>

/* Strongest first: the order in which shrink_sources() lists them. */
static const struct shrink_source_ops *const ladder[] = {
	&shrink_source_usage,
	&shrink_source_thresholds,
	&shrink_source_events,
	&shrink_source_bridge,
	&shrink_source_systemd,
	&shrink_source_psi,
	&shrink_source_vmpressure,
	&shrink_source_oom,
	&shrink_source_memavailable,
	&shrink_source_zones,
	&shrink_source_swap,
	&shrink_source_rss,
	&shrink_source_manual,
	&shrink_source_simulated,
};
#define SOURCES SHRINK_ARRAY_SIZE(ladder)

/* The one in use, and where it is looked for again. */
static struct shrink_cgroup cgroups[2];
static struct shrink_cgroup *cgroup = &cgroups[0];
static bool group_lost;
static struct shrink_source sources[SOURCES];
static int epoll = -1;

size_t shrink_sources_nr(void)
{
	return SOURCES;
}

struct shrink_source *shrink_sources_at(size_t place)
{
	return &sources[place];
}

static void set_state(struct shrink_source *src, enum shrink_source_state state)
{
	shrink_source_lock();
	src->state = state;
	shrink_source_unlock();
}

static int watch_fds(struct shrink_source *src)
{
	uint64_t index = (uint64_t)(src - sources);

	src->fds_changed = 0;
	for (int i = 0; i < src->nr_fds && epoll >= 0; i++) {
		uint32_t events = src->epoll[i] ? src->epoll[i] : EPOLLIN;
		int r = shrink_os_epoll_add(epoll, src->fd[i], events, index << 8 | (uint64_t)i);

		if (r < 0)
			return shrink_source_fail(src, r, "cannot be waited for: %s", strerror(-r));
	}
	return 0;
}

bool shrink_sources_live(const struct shrink_source_ops *ops)
{
	bool live = false;

	shrink_source_lock();
	for (size_t i = 0; i < SOURCES; i++)
		if (sources[i].ops == ops)
			live = sources[i].state == SHRINK_SOURCE_LIVE;
	shrink_source_unlock();
	return live;
}

/* Those that stood back for it count again. */
static void unmute(const struct shrink_source_ops *failed)
{
	for (size_t i = 0; i < SOURCES; i++) {
		struct shrink_source *src = &sources[i];

		if (!src->muted || src->ops->yields_to != failed ||
		    src->state != SHRINK_SOURCE_LIVE)
			continue;
		__atomic_store_n(&src->muted, 0, __ATOMIC_RELAXED);
		src->next_sample = src->ops->sample ? 0 : UINT64_MAX;
		shrink_source_fail(src, 0, "in place of %s, which has failed", failed->name);
	}
}

/* The next one goes on (G9). A gauge may be being read on another thread: it is left
 * out, but its files stay open until all has stopped. */
static void give_up(struct shrink_source *src, int err)
{
	if (src->gauge) {
		shrink_gauges_drop(src->gauge);
	} else {
		src->ops->close(src);
		src->opened = 0;
	}
	src->nr_fds = 0;
	src->next_sample = UINT64_MAX;
	src->retry_at = err == -ENODEV && src->ops->watches_group; /* at once: we may have moved */
	group_lost |= src->retry_at != 0;
	set_state(src, SHRINK_SOURCE_FAILED);
	unmute(src->ops);
	shrink_warn("source %s has failed (%s): %s; the others go on", src->ops->name,
		    strerror(-err), src->reason);
}

/* Stands back for whom it yields to, and where the service manager forbids it. */
static int open_real(struct shrink_source *src)
{
	const struct shrink_source_ops *ops = src->ops;
	int r;

	if (ops->measures_stall && shrink_systemd_forbids())
		return shrink_source_fail(src, -ECANCELED,
					  "switched off by MEMORY_PRESSURE_WATCH");
	src->muted = ops->yields_to && shrink_sources_live(ops->yields_to);
	r = ops->open(src);
	if (!r && src->muted)
		shrink_source_fail(src, 0, "%s takes precedence: this only shortens sampling",
				   ops->yields_to->name);
	return r;
}

static int open_it(struct shrink_source *src)
{
	/* In simulation there is no other source: the test is the whole system */
	int r = !shrink_simulated() || src->ops == &shrink_source_simulated ||
				src->ops == &shrink_source_manual
			? open_real(src)
			: shrink_source_fail(src, -ECANCELED, "started simulated");

	src->opened = !r;
	if (!r && src->gauge)
		r = shrink_gauges_add(src->gauge);
	return r;
}

/* What passes says nothing of what this system has: that is tried again. */
static bool passes(int err)
{
	return err == -EIO || err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -EAGAIN;
}

static enum shrink_source_state without(int err)
{
	return err == -ECANCELED ? SHRINK_SOURCE_OFF
				 : passes(err) ? SHRINK_SOURCE_FAILED : SHRINK_SOURCE_UNSUPPORTED;
}

static void open_one(struct shrink_source *src, const struct shrink_source_ops *ops)
{
	int r;

	memset(src, 0, sizeof(*src));
	src->ops = ops;
	src->cgroup = cgroup;
	src->next_sample = UINT64_MAX;
	r = open_it(src);
	set_state(src, r ? without(r) : SHRINK_SOURCE_LIVE);
}

static void close_one(struct shrink_source *src)
{
	if (src->opened)
		src->ops->close(src);
	src->opened = 0;
}

int shrink_sources_nr_live(void)
{
	int n = 0;

	for (size_t i = 0; i < SOURCES; i++)
		n += sources[i].state == SHRINK_SOURCE_LIVE &&
		     sources[i].ops != &shrink_source_manual;
	return n;
}

void shrink_sources_open(int epoll_fd)
{
	epoll = epoll_fd;
	memset(cgroups, 0, sizeof(cgroups));
	cgroup = &cgroups[0];
	group_lost = false;
	if (!shrink_simulated())
		shrink_os_cgroup_open(cgroup);
	for (size_t i = 0; i < SOURCES; i++) {
		open_one(&sources[i], ladder[i]);
		if (sources[i].state == SHRINK_SOURCE_LIVE && watch_fds(&sources[i]) < 0)
			give_up(&sources[i], -EIO);
	}
}

void shrink_sources_close(void)
{
	for (size_t i = 0; i < SOURCES; i++) {
		close_one(&sources[i]);
		set_state(&sources[i], SHRINK_SOURCE_OFF);
		shrink_source_fail(&sources[i], 0, "not started");
	}
	shrink_os_cgroup_close(&cgroups[0]);
	shrink_os_cgroup_close(&cgroups[1]);
	epoll = -1;
}

void shrink_sources_forget(void)
{
	memset(sources, 0, sizeof(sources));
	memset(cgroups, 0, sizeof(cgroups));
	epoll = -1;
}

void shrink_sources_give_out(struct shrink_source *src)
{
	src->was = src->state;
	set_state(src, SHRINK_SOURCE_OPENING);
}

int shrink_sources_reopen(struct shrink_source *src)
{
	close_one(src);
	src->nr_fds = 0;
	src->gauge = NULL;
	src->next_sample = UINT64_MAX;
	shrink_source_fail(src, 0, "%s", "");
	return open_it(src);
}

/* Those that stood in for it stand back again. */
static void mute(const struct shrink_source_ops *back)
{
	for (size_t i = 0; i < SOURCES; i++) {
		struct shrink_source *src = &sources[i];

		if (src->muted || src->ops->yields_to != back || src->state != SHRINK_SOURCE_LIVE)
			continue;
		__atomic_store_n(&src->muted, 1, __ATOMIC_RELAXED);
		shrink_source_fail(src, 0, "%s takes precedence again", back->name);
	}
}

bool shrink_sources_revive(struct shrink_source *src)
{
	enum shrink_source_state now = SHRINK_SOURCE_LIVE;
	int r = src->renewed;

	if (r)
		now = src->was == SHRINK_SOURCE_UNSUPPORTED ? without(r) : SHRINK_SOURCE_FAILED;
	if (!r && src->gauge)
		shrink_gauges_renew(src->gauge);
	set_state(src, now);
	if (!r && watch_fds(src) < 0) {
		give_up(src, -EIO);
		return false;
	}
	if (r && src->gauge)
		shrink_gauges_drop(src->gauge);
	if (r && src->was == SHRINK_SOURCE_LIVE) {
		unmute(src->ops);
		shrink_warn("source %s has failed (%s): %s; the others go on", src->ops->name,
			    strerror(-r), src->reason);
	}
	if (!r && src->was != SHRINK_SOURCE_LIVE) {
		mute(src->ops);
		shrink_info("source %s is live again", src->ops->name);
	}
	return !r;
}

int shrink_sources_group_open(void)
{
	struct shrink_cgroup *other = cgroup == &cgroups[0] ? &cgroups[1] : &cgroups[0];

	cgroup = other;
	return shrink_os_cgroup_open(other);
}

void shrink_sources_group_settle(bool good)
{
	struct shrink_cgroup *other = cgroup == &cgroups[0] ? &cgroups[1] : &cgroups[0];

	shrink_os_cgroup_close(good ? other : cgroup);
	if (!good)
		cgroup = other;
}

struct shrink_cgroup *shrink_sources_group(void)
{
	return cgroup;
}

bool shrink_sources_group_lost(void)
{
	bool lost = group_lost;

	group_lost = false;
	return lost;
}

bool shrink_sources_chores(void)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (__atomic_load_n(&sources[i].chore_due, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

bool shrink_sources_settle(struct shrink_source *src, int r)
{
	if (r >= 0 && (!src->fds_changed || !watch_fds(src)))
		return true;
	give_up(src, r < 0 ? r : -EIO);
	return false;
}

/* A read may fail for a moment; a removed group does not come back. */
#define GAUGE_ERRORS_MAX 3

bool shrink_sources_settle_gauges(void)
{
	bool all_well = true;

	for (size_t i = 0; i < SOURCES; i++) {
		struct shrink_source *src = &sources[i];
		unsigned int times;
		int err;

		if (src->state != SHRINK_SOURCE_LIVE || !src->gauge)
			continue;
		err = shrink_gauges_error(src->gauge, &times);
		if (!err)
			continue;
		all_well = false;
		if (times < GAUGE_ERRORS_MAX && err != -ENODEV)
			continue;
		shrink_source_fail(src, err, err == -ENODEV ? "the group was removed"
							    : "cannot be read: %s", strerror(-err));
		give_up(src, err);
	}
	return all_well;
}

/* Opening is for moments, and nobody's business. */
static enum shrink_source_state state_seen(const struct shrink_source *src)
{
	return src->state == SHRINK_SOURCE_OPENING ? src->was : src->state;
}

int shrink_sources_list(struct shrink_source_info *ret_infos, unsigned int max, size_t size)
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
		strncpy(info.state, states[state_seen(&sources[n])], sizeof(info.state) - 1);
		memcpy(info.reason, sources[n].reason, sizeof(info.reason));
		memset(out, 0, size);
		memcpy(out, &info, size < sizeof(info) ? size : sizeof(info));
	}
	shrink_source_unlock();
	return (int)n;
}
