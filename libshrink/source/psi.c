// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Pressure stall information of our own group.
 *
 * Two ways that complement each other. The kernel adds up total= at every read,
 * so sampling it sees milliseconds and needs no privilege, but has to wake up to
 * see anything. A trigger wakes us, but without CAP_SYS_RESOURCE only for windows
 * of whole 2 s, and some kernels fire it once at the first tiny stall after it
 * was set. Therefore total= decides always: it is sampled slowly while it stands
 * still, quickly while it grows, and at once when a trigger fires.
 *
 * Thresholds, of some and of full, each with its window and the level it means, are
 * all watched: a trigger for each where one can be had, and each against total=.
 *
 * What our group's stall means depends on whose limit it comes from (rest.h).
 *
 * The machine's file is about strangers. Where our group has none (or is the top,
 * which shows the same numbers), it only makes the monitor look at the gauges more
 * often (G7).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/proactive.h>
#include <libshrink/source/rest.h>
#include <libshrink/source/source.h>
#include <libshrink/source/stall.h>
#include <libshrink/source/trigger.h>

#define MACHINE_FILE "/proc/pressure/memory"
/* Where to start for a critical stall. */
#define CRITICAL_PRIORITY 6
/* A window in which there is stall is looked at so often. */
#define STEPS 20

/* One threshold: so much stall within a window means a level. */
struct threshold {
	struct shrink_trigger is;
	struct shrink_stall grown;
};

static struct psi {
	int own;               /* the file is our own group's, not the machine's */
	int fd;
	int nr;
	struct threshold at[SHRINK_TRIGGERS_MAX];
	uint64_t window;       /* usec, the shortest of them */
	uint64_t last_some;    /* at the sample before */
	uint64_t period;       /* nsec, of sampling now */
	uint64_t said;         /* clock of the last signal, 0 = none lately: one for one stall, */
	uint64_t said_some;    /*	unless it goes on, */
	enum shrink_level said_level; /* or is graver */
	struct shrink_rest rest; /* of the machine */
} psi;

static int read_totals(int fd, uint64_t *ret_some, uint64_t *ret_full)
{
	char text[256];
	ssize_t n = shrink_os_pread(fd, text, sizeof(text));

	return n < 0 ? (int)n : shrink_stall_parse(text, ret_some, ret_full);
}

static int own_path(const struct shrink_cgroup *cg, char *path, size_t size, const char *name)
{
	return cg->unified[0] && (size_t)snprintf(path, size, "%s/%s", cg->unified, name) < size;
}

/* The top of the hierarchy has no cgroup.events; its pressure is everybody's. */
static int is_top(const struct shrink_cgroup *cg)
{
	char path[SHRINK_CGROUP_PATH + 32];
	int fd;

	if (!own_path(cg, path, sizeof(path), "cgroup.events"))
		return 1;
	fd = shrink_os_open(path, O_RDONLY);
	shrink_os_close(fd);
	return fd < 0;
}

static int open_file(const struct shrink_cgroup *cg, char *path, size_t size)
{
	int fd;

	psi.own = !is_top(cg) && own_path(cg, path, size, "memory.pressure");
	if (psi.own) {
		fd = shrink_os_open_warm(path);
		if (fd >= 0)
			return fd;
		psi.own = 0;
	}
	snprintf(path, size, "%s", MACHINE_FILE);
	return shrink_os_open_warm(path);
}

/* As many as can be had; the kernel gives one for each descriptor. */
static void set_triggers(struct shrink_source *src, const char *path)
{
	int err = 0;

	if (!psi.own || src->muted)
		return;
	for (int i = 0; i < psi.nr; i++) {
		int fd = shrink_trigger_set(path, &psi.at[i].is, NULL);

		if (fd < 0) {
			err = fd;
			continue;
		}
		src->epoll[src->nr_fds] = EPOLLPRI;
		src->fd[src->nr_fds++] = fd;
	}
	if (!src->nr_fds)
		shrink_source_fail(src, 0, "sampled: no trigger: %s", strerror(-err));
}

/* Those configured; a list that is none is said once, and the default is used. */
static void set_thresholds(void)
{
	struct shrink_trigger list[SHRINK_TRIGGERS_MAX];
	int n = shrink_triggers_parse(shrink_tunables.psi_triggers, list);

	if (n < 0)
		shrink_warn("psi_triggers:\"%s\": %s; psi_stall and psi_window are used",
			    shrink_tunables.psi_triggers,
			    n == -ENOSPC ? "more than 8"
					 : "not \"some|full usec usec level; ...\"");
	if (n <= 0)
		n = shrink_triggers_default(SHRINK_TUN(psi_stall), SHRINK_TUN(psi_window), list);
	psi.nr = n;
	psi.window = UINT64_MAX;
	for (int i = 0; i < n; i++) {
		psi.at[i].is = list[i];
		psi.window = shrink_min_u64(psi.window, list[i].window);
	}
}

static int psi_open(struct shrink_source *src)
{
	char path[SHRINK_CGROUP_PATH + 32];
	uint64_t some, full;
	int r;

	psi = (struct psi){.fd = -1, .rest.fd = -1};
	src->nr_fds = 0;
	if (!SHRINK_TUN(psi))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	set_thresholds();
	r = open_file(src->cgroup, path, sizeof(path));
	if (r < 0)
		return shrink_source_fail(src, r,
					  r == -EOPNOTSUPP ? "switched off at boot (psi=0)"
							   : "no PSI here: %s",
					  strerror(-r));
	psi.fd = r;
	r = read_totals(psi.fd, &some, &full);
	if (r < 0) {
		shrink_os_close(psi.fd);
		psi.fd = -1;
		return shrink_source_fail(src, r,
					  r == -EOPNOTSUPP ? "switched off at boot (psi=0)"
							   : "PSI cannot be read: %s",
					  strerror(-r));
	}
	if (!psi.own)
		shrink_source_fail(src, 0,
				   "own group has none: the machine's only shortens sampling");
	else
		shrink_rest_open(&psi.rest);
	set_triggers(src, path);
	psi.last_some = UINT64_MAX; /* the first sample sets the baseline */
	psi.period = psi.window * NSEC_PER_USEC / 2;
	src->next_sample = 0;
	return 0;
}

static void drop_triggers(struct shrink_source *src)
{
	while (src->nr_fds > 0)
		shrink_os_close(src->fd[--src->nr_fds]);
}

static void psi_close(struct shrink_source *src)
{
	drop_triggers(src);
	shrink_rest_close(&psi.rest);
	shrink_os_close(psi.fd);
	psi.fd = -1;
}

/* While total= grows, a step of the window; else longer and longer, up to
 * half of it, beyond which a stall could begin and end unseen. */
static void adapt_period(int grows)
{
	uint64_t window = psi.window * NSEC_PER_USEC;

	psi.period = grows ? window / STEPS : shrink_min_u64(psi.period * 2, window / 2);
}

static void begin(uint64_t now_usec, uint64_t some, uint64_t full)
{
	for (int i = 0; i < psi.nr; i++)
		shrink_stall_begin(&psi.at[i].grown, now_usec, psi.at[i].is.full ? full : some);
	psi.last_some = some;
}

/* The gravest level whose threshold is passed; 0 = none. */
static enum shrink_level level_now(uint64_t now_usec, uint64_t some, uint64_t full)
{
	enum shrink_level level = SHRINK_LEVEL_NORMAL;

	for (int i = 0; i < psi.nr; i++) {
		struct threshold *t = &psi.at[i];
		uint64_t growth = shrink_stall_growth(&t->grown, now_usec, t->is.full ? full : some,
						      t->is.window);

		if (growth >= t->is.stall && t->is.level > level)
			level = t->is.level;
	}
	return level;
}

static void press(const struct shrink_source *src, uint64_t now, enum shrink_level level,
		  struct shrink_signal *sig)
{
	int mild = (int)SHRINK_TUN(priority);

	if (!psi.own) {
		sig->hint = 1;
		return;
	}
	sig->stall = level;
	sig->own = shrink_rest_by_limit(&psi.rest, now, psi.window * NSEC_PER_USEC, src->cgroup);
	sig->priority = mild;
	if (level >= SHRINK_LEVEL_CRITICAL)
		sig->priority = mild < CRITICAL_PRIORITY ? mild : CRITICAL_PRIORITY;
	else if (level >= SHRINK_LEVEL_MEDIUM)
		sig->priority = mild > 2 ? mild - 2 : 0;
}

/*
 * What has been signalled is in the window for as long as that is, over or not. So until
 * then it counts only from the signal on: a stall that goes on grows as steeply as
 * the mildest threshold says.
 */
static bool is_news(uint64_t now, uint64_t some, enum shrink_level level)
{
	uint64_t elapsed = (now - psi.said) / NSEC_PER_USEC;
	uint64_t grown = shrink_sub_u64(some, psi.said_some);

	if (!psi.said || elapsed >= psi.window || level > psi.said_level)
		return true;
	return elapsed >= psi.window / STEPS &&
	       grown >= shrink_mul_div(psi.at[0].is.stall, elapsed, psi.at[0].is.window);
}

static int psi_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	uint64_t some, full, usec = now / NSEC_PER_USEC;
	int grows, r = read_totals(psi.fd, &some, &full);
	enum shrink_level level;

	if (r < 0)
		return shrink_source_fail(
			src, r, r == -ENODEV ? "the group was removed, or hides its PSI"
					     : "memory.pressure: %s", strerror(-r));
	if (psi.last_some == UINT64_MAX)
		begin(usec, some, full);
	grows = some > psi.last_some;
	psi.last_some = some;
	if (psi.own) {
		shrink_proactive_stall(some);
		shrink_rest_look(&psi.rest, now);
	}
	level = level_now(usec, some, full);
	adapt_period(grows);
	src->next_sample = now + psi.period;
	/* No new stall, no new signal */
	if (!grows || !level || !is_news(now, some, level))
		return 0;
	psi.said = now;
	psi.said_some = some;
	psi.said_level = level;
	press(src, now, level, sig);
	return 0;
}

/* Polling takes the event; there is nothing to read. EPOLLERR means that the
 * trigger is gone for good (PSI off, file hidden, group removed) and would be
 * ready for ever. */
static int psi_ready(struct shrink_source *src, int index, uint32_t epoll_events, uint64_t now,
		     struct shrink_signal *sig)
{
	(void)index;
	if (epoll_events & (EPOLLERR | EPOLLHUP)) {
		drop_triggers(src);
		src->fds_changed = 1;
		shrink_source_fail(src, 0, "sampled: the trigger has failed");
	}
	return psi_sample(src, now, sig);
}

const struct shrink_source_ops shrink_source_psi = {
	.name = "psi",
	.open = psi_open,
	.watches_group = 1,
	.close = psi_close,
	.ready = psi_ready,
	.sample = psi_sample,
	.measures_stall = 1,
	.yields_to = &shrink_source_systemd,
};
