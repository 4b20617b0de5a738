// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The service manager's protocol: MEMORY_PRESSURE_WATCH names what to wait for,
 * MEMORY_PRESSURE_WRITE has, in Base64, what to write there first. Where it is set
 * up, thresholds are the administrator's business: our own measure of stall (psi,
 * vmpressure) then only shortens sampling, until this source fails; and where it is
 * switched off (empty or /dev/null), so are those.
 *
 * Of a PSI file the kernel tells of stall, which may come of page cache alone, so
 * the gauges have their say (G7). A FIFO or socket is written to by somebody who
 * means it: as shrink_pressure().
 *
 * Some kernels fire an unprivileged trigger at the first tiny stall after it was
 * set. So the first event of a PSI file counts only if total= has grown by as much
 * as the trigger says.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/base64.h>
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/watch.h>
#include <libshrink/source/source.h>
#include <libshrink/source/stall.h>
#include <libshrink/source/systemd.h>
#include <libshrink/source/trigger.h>

#define DATA_MAX 4096

static struct systemd {
	enum shrink_watch_kind kind;
	char data[DATA_MAX + 1];       /* what was written */
	size_t size;
	bool echo;                     /* nobody else may have read it yet */
	int totals;                    /* the same PSI file for reading; -1 = not asked */
	uint64_t total_begin;          /* when the trigger was set, or last signalled */
	bool believed;
	struct shrink_trigger trigger; /* stall 0 = not known */
	uint64_t quiet_until;
} watch;

static bool is_off(const char *path)
{
	return !*path || !strcmp(path, "/dev/null");
}

bool shrink_systemd_forbids(void)
{
	const char *path = shrink_os_getenv("MEMORY_PRESSURE_WATCH");

	return SHRINK_TUN(systemd) && path && is_off(path);
}

bool shrink_systemd_is_plain(const char *path)
{
	size_t len = strlen(path);

	return path[0] == '/' && !strstr(path, "//") && !strstr(path, "/./") &&
	       !strstr(path, "/../") && (len < 2 || strcmp(path + len - 2, "/.")) &&
	       (len < 3 || strcmp(path + len - 3, "/.."));
}

static uint64_t total_now(void)
{
	uint64_t some, full;
	char text[256];

	if (watch.totals < 0 || shrink_os_pread(watch.totals, text, sizeof(text)) < 0 ||
	    shrink_stall_parse(text, &some, &full) < 0)
		return UINT64_MAX;
	return watch.trigger.full ? full : some;
}

/* What is written is for the kernel to understand; as far as we do, the first event
 * can be checked. Before it is written: from then on it counts. */
static void learn_trigger(const char *path)
{
	struct shrink_trigger ours[SHRINK_TRIGGERS_MAX];
	const char *text = watch.data;

	if (!watch.size)
		shrink_triggers_default(SHRINK_TUN(psi_stall), SHRINK_TUN(psi_window), ours);
	else if (shrink_trigger_parse(&text, &ours[0]) < 0)
		return;
	watch.trigger = ours[0];
	watch.totals = shrink_os_open(path, O_RDONLY | O_NONBLOCK);
	watch.total_begin = total_now();
}

static void forget_trigger(void)
{
	shrink_os_close(watch.totals);
	watch.totals = -1;
}

static int bad(struct shrink_source *src, const char *name, const char *what)
{
	shrink_warn("%s: %s; left out", name, what);
	return shrink_source_fail(src, -EBADMSG, "%s: %s", name, what);
}

static int open_watch(struct shrink_source *src, const char *path)
{
	int fd;

	learn_trigger(path);
	fd = shrink_os_watch_open(path, watch.data, watch.size, &watch.kind);
	if (fd >= 0 && watch.kind != SHRINK_WATCH_FILE)
		forget_trigger();
	if (fd >= 0 && watch.kind == SHRINK_WATCH_FILE && !watch.size) {
		/* It says where, but not how much: our own threshold, then */
		shrink_os_close(fd);
		fd = shrink_trigger_set(path, &watch.trigger, &watch.trigger);
	}
	if (fd < 0) {
		forget_trigger();
		shrink_warn("MEMORY_PRESSURE_WATCH %s: %s; left out", path, strerror(-fd));
		return shrink_source_fail(src, fd, "%.80s: %s", path,
					  fd == -EBADF ? "neither file, FIFO nor socket"
						       : strerror(-fd));
	}
	watch.echo = watch.kind == SHRINK_WATCH_FIFO && watch.size;
	src->fd[0] = fd;
	src->epoll[0] = watch.kind == SHRINK_WATCH_FILE ? EPOLLPRI : EPOLLIN;
	src->nr_fds = 1;
	return shrink_source_fail(src, 0, "%.80s", path);
}

static int systemd_open(struct shrink_source *src)
{
	const char *path = shrink_os_getenv("MEMORY_PRESSURE_WATCH");
	const char *text = shrink_os_getenv("MEMORY_PRESSURE_WRITE");
	long size = 0;

	watch = (struct systemd){.totals = -1};
	src->nr_fds = 0;
	src->next_sample = UINT64_MAX;
	if (!SHRINK_TUN(systemd))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	if (!path)
		return shrink_source_fail(src, -ENOENT, "no MEMORY_PRESSURE_WATCH");
	if (is_off(path))
		return shrink_source_fail(src, -ECANCELED,
					  "switched off by MEMORY_PRESSURE_WATCH");
	if (!shrink_systemd_is_plain(path))
		return bad(src, "MEMORY_PRESSURE_WATCH", "not an absolute, plain path");
	if (text)
		size = shrink_base64_decode(text, watch.data, DATA_MAX);
	if (size < 0)
		return bad(src, "MEMORY_PRESSURE_WRITE",
			   size == -ENOSPC ? "too long" : "not Base64");
	watch.data[size] = '\0';
	watch.size = (size_t)size;
	return open_watch(src, path);
}

static void systemd_close(struct shrink_source *src)
{
	if (src->nr_fds)
		shrink_os_close(src->fd[0]);
	src->nr_fds = 0;
	forget_trigger();
}

/* The first event decides what the trigger is worth; from then on it is believed. */
static bool is_false(void)
{
	uint64_t begin = watch.total_begin, total = total_now();
	bool first = !watch.believed;

	watch.believed = true;
	if (begin == UINT64_MAX || total == UINT64_MAX)
		return false;
	watch.total_begin = total;
	return first && shrink_sub_u64(total, begin) < watch.trigger.stall;
}

static void press(uint64_t now, struct shrink_signal *sig)
{
	/* One signal for one stall, however often a writer writes */
	if (now < watch.quiet_until)
		return;
	watch.quiet_until = now + SHRINK_TUN(psi_window) * NSEC_PER_USEC / 4;
	sig->stall = SHRINK_LEVEL_LOW;
	sig->priority = (int)SHRINK_TUN(priority);
	sig->manual = watch.kind != SHRINK_WATCH_FILE;
}

/* A FIFO gives back what we have written ourselves, if the manager has not read it. */
static bool is_echo(const char *first, long n)
{
	bool echo = watch.echo && (size_t)n == watch.size && !memcmp(first, watch.data, watch.size);

	watch.echo = false;
	return echo;
}

/* Never read; an error is for ever, and would keep us busy. */
static int file_ready(struct shrink_source *src, uint32_t epoll_events, uint64_t now,
		      struct shrink_signal *sig)
{
	if (epoll_events & (EPOLLERR | EPOLLHUP))
		return shrink_source_fail(src, -ENODEV, "the trigger is gone (group removed, file "
					  "hidden or PSI off)");
	if (is_false())
		sig->hint = 1;
	else
		press(now, sig);
	return 0;
}

/* In loop mode somebody else's poll may have taken the kernel's event: the total says. */
static int systemd_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	uint64_t total = total_now();

	src->next_sample = UINT64_MAX;
	if (watch.kind != SHRINK_WATCH_FILE || total == UINT64_MAX ||
	    shrink_sub_u64(total, watch.total_begin) < watch.trigger.stall)
		return 0;
	watch.total_begin = total;
	watch.believed = true;
	press(now, sig);
	return 0;
}

static int systemd_ready(struct shrink_source *src, int index, uint32_t epoll_events, uint64_t now,
			 struct shrink_signal *sig)
{
	static char first[DATA_MAX];
	long n;

	if (watch.kind == SHRINK_WATCH_FILE)
		return file_ready(src, epoll_events, now, sig);
	n = shrink_os_watch_discard(src->fd[index], first, sizeof(first));
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return shrink_source_fail(src, (int)n, n == -EPIPE ? "closed by the other side"
								    : "%s", strerror((int)-n));
	if (!is_echo(first, n))
		press(now, sig);
	return 0;
}

const struct shrink_source_ops shrink_source_systemd = {
	.name = "systemd",
	.open = systemd_open,
	.close = systemd_close,
	.ready = systemd_ready,
	.sample = systemd_sample,
};
