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
 * The machine's file is about strangers. Where our group has none (or is the top,
 * which shows the same numbers), it only makes the monitor look at the gauges more
 * often (G7).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/source.h>
#include <libshrink/source/stall.h>

#define MACHINE_FILE "/proc/pressure/memory"
/* Windows anybody may use are multiples of this. */
#define FREE_WINDOW_USEC 2000000ULL
#define WINDOW_MAX_USEC 10000000ULL
/* "full" of a group with one runnable thread is the same as "some", so it has to
 * be much more before it means what it says. */
#define FULL_FACTOR 4
#define FULL_PRIORITY 6

static struct psi {
	int own;               /* the file is our own group's, not the machine's */
	int fd;
	uint64_t stall, window; /* usec, as configured */
	struct shrink_stall some, full;
	uint64_t last_some;    /* at the sample before */
	uint64_t period;       /* nsec, of sampling now */
	uint64_t quiet_until;  /* clock: one signal for one stall */
} psi;

static uint64_t full_stall(const struct psi *p)
{
	return shrink_min_u64(p->stall * FULL_FACTOR, p->window - p->window / 4);
}

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
		fd = shrink_os_open(path, O_RDONLY);
		if (fd >= 0)
			return fd;
		psi.own = 0;
	}
	snprintf(path, size, "%s", MACHINE_FILE);
	return shrink_os_open(path, O_RDONLY);
}

static int set_trigger(const char *path, const char *kind, uint64_t stall, uint64_t window)
{
	int fd = shrink_os_open(path, O_RDWR | O_NONBLOCK), n, r;
	char text[64];

	if (fd < 0)
		return fd;
	n = snprintf(text, sizeof(text), "%s %llu %llu", kind, (unsigned long long)stall,
		     (unsigned long long)window);
	r = shrink_os_write(fd, text, (size_t)n + 1);
	if (r >= 0)
		return fd;
	shrink_os_close(fd);
	return r;
}

/* The window asked for, or the next that needs no privilege, stall in proportion. */
static int set_affordable_trigger(const char *path, const char *kind, uint64_t stall)
{
	uint64_t window = (psi.window + FREE_WINDOW_USEC - 1) / FREE_WINDOW_USEC * FREE_WINDOW_USEC;
	int fd = set_trigger(path, kind, stall, psi.window);

	if (fd != -EINVAL)
		return fd;
	window = shrink_min_u64(window, WINDOW_MAX_USEC);
	return set_trigger(path, kind, shrink_mul_div(stall, window, psi.window), window);
}

static void set_triggers(struct shrink_source *src, const char *path)
{
	int some, full;

	if (!psi.own)
		return;
	some = set_affordable_trigger(path, "some", psi.stall);
	if (some < 0) {
		shrink_source_fail(src, some, "sampled: no trigger: %s", strerror(-some));
		return;
	}
	full = set_affordable_trigger(path, "full", full_stall(&psi));
	src->fd[src->nr_fds++] = some;
	if (full >= 0)
		src->fd[src->nr_fds++] = full;
	for (int i = 0; i < src->nr_fds; i++)
		src->epoll[i] = EPOLLPRI;
}

static int psi_open(struct shrink_source *src)
{
	char path[SHRINK_CGROUP_PATH + 32];
	uint64_t some, full;
	int r;

	psi = (struct psi){.fd = -1};
	src->nr_fds = 0;
	if (!SHRINK_TUN(psi))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	psi.window = SHRINK_TUN(psi_window);
	psi.stall = shrink_min_u64(SHRINK_TUN(psi_stall), psi.window);
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
	shrink_os_close(psi.fd);
	psi.fd = -1;
}

/* While total= grows, a twentieth of the window; else longer and longer, up to
 * half of it, beyond which a stall could begin and end unseen. */
static void adapt_period(int grows)
{
	uint64_t window = psi.window * NSEC_PER_USEC;

	psi.period = grows ? window / 20 : shrink_min_u64(psi.period * 2, window / 2);
}

static void judge(uint64_t some, uint64_t full, struct shrink_signal *sig)
{
	int priority = (int)SHRINK_TUN(priority);

	if (!psi.own) {
		sig->hint = 1;
	} else if (full >= full_stall(&psi)) {
		sig->stall = SHRINK_LEVEL_CRITICAL;
		sig->priority = priority < FULL_PRIORITY ? priority : FULL_PRIORITY;
	} else {
		/* from mild to two steps below, as the stall goes from once to twice
		 * the threshold */
		int steps = (int)shrink_min_u64((some - psi.stall) * 2 / psi.stall, 2);

		sig->stall = steps == 2 ? SHRINK_LEVEL_MEDIUM : SHRINK_LEVEL_LOW;
		sig->priority = priority > steps ? priority - steps : 0;
	}
}

static void begin(uint64_t now_usec, uint64_t some, uint64_t full)
{
	shrink_stall_begin(&psi.some, now_usec, some);
	shrink_stall_begin(&psi.full, now_usec, full);
	psi.last_some = some;
}

static int psi_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	uint64_t some, full, usec = now / NSEC_PER_USEC;
	int grows, r = read_totals(psi.fd, &some, &full);

	if (r < 0)
		return shrink_source_fail(
			src, r, r == -ENODEV ? "the group was removed" : "memory.pressure: %s",
			strerror(-r));
	if (psi.last_some == UINT64_MAX)
		begin(usec, some, full);
	grows = some > psi.last_some;
	psi.last_some = some;
	some = shrink_stall_growth(&psi.some, usec, some, psi.window);
	full = shrink_stall_growth(&psi.full, usec, full, psi.window);
	adapt_period(grows);
	src->next_sample = now + psi.period;
	/* No new stall, no new signal; and a quarter of the window for what the
	 * last one caused to take effect. */
	if (!grows || now < psi.quiet_until || some < psi.stall)
		return 0;
	psi.quiet_until = now + psi.window * NSEC_PER_USEC / 4;
	judge(some, full, sig);
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
	.close = psi_close,
	.ready = psi_ready,
	.sample = psi_sample,
};
