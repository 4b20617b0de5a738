// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * cgroup v2: memory.events says that a limit was hit, and wakes whoever polls it.
 * A hit on an ancestor's limit is counted there and not below, so every level is
 * watched; in memory.events.local where there is one, since the plain file also
 * counts what happens in the groups beside us.
 *
 * Page cache alone hits limits all day, and the kernel then takes it back by
 * itself; so "high" and "max" only make the monitor look (G7). "oom" says that
 * the kernel has tried and failed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/events.h>
#include <libshrink/source/source.h>

/* A group that is removed wakes nobody; how often it is looked at whether it is there. */
#define LOOK_NSEC NSEC_PER_SEC

/* The kernel's own way from here is short: begin well down. */
#define OOM_PRIORITY 2

static struct shrink_events seen[SHRINK_SOURCE_FDS];

struct shrink_events shrink_events_parse(const char *text)
{
	uint64_t high = 0, max = 0, oom = 0, kill = 0, group = 0;

	shrink_parse_field(text, "high", &high);
	shrink_parse_field(text, "max", &max);
	shrink_parse_field(text, "oom", &oom);
	shrink_parse_field(text, "oom_kill", &kill);
	shrink_parse_field(text, "oom_group_kill", &group);
	return (struct shrink_events){
		.reached = shrink_add_u64(high, max),
		.oom = shrink_add_u64(oom, shrink_add_u64(kill, group)),
	};
}

/* Reading from the start is also what makes the file unready. */
static int read_counts(int fd, struct shrink_events *ret_counts)
{
	char text[1024];
	ssize_t n = shrink_os_pread(fd, text, sizeof(text));

	if (n < 0)
		return (int)n;
	*ret_counts = shrink_events_parse(text);
	return 0;
}

static int open_level(const struct shrink_cgroup_level *level)
{
	char path[SHRINK_CGROUP_PATH + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/memory.events.local", level->dir);
	fd = shrink_os_open_warm(path);
	if (fd != -ENOENT)
		return fd;
	snprintf(path, sizeof(path), "%s/memory.events", level->dir);
	return shrink_os_open_warm(path);
}

static void events_close(struct shrink_source *src)
{
	while (src->nr_fds > 0)
		shrink_os_close(src->fd[--src->nr_fds]);
}

static int events_open(struct shrink_source *src)
{
	const struct shrink_cgroup *cg = src->cgroup;
	int err = -ENOENT;

	src->nr_fds = 0;
	src->next_sample = 0;
	if (!SHRINK_TUN(events))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	if (cg->version != 2)
		return shrink_source_fail(src, -EOPNOTSUPP, "no cgroup v2 memory controller");
	for (int i = 0; i < cg->nr_levels && src->nr_fds < SHRINK_SOURCE_FDS; i++) {
		int n = src->nr_fds, fd = open_level(&cg->level[i]);
		int r = fd < 0 ? fd : read_counts(fd, &seen[n]);

		if (r < 0) {
			shrink_os_close(fd);
			err = r;
			continue;
		}
		src->fd[n] = fd;
		src->epoll[n] = EPOLLPRI;
		src->nr_fds++;
	}
	if (!src->nr_fds)
		return shrink_source_fail(src, err, "memory.events: %s", strerror(-err));
	return 0;
}

/* kernfs says EPOLLPRI | EPOLLERR for an ordinary change; what it means is in the
 * text only. */
static int events_ready(struct shrink_source *src, int index, uint32_t epoll_events, uint64_t now,
			struct shrink_signal *sig)
{
	struct shrink_events counts;
	int r = read_counts(src->fd[index], &counts);

	(void)epoll_events;
	(void)now;
	if (r < 0)
		return shrink_source_fail(src, r, r == -ENODEV ? "the group was removed"
							       : "memory.events: %s", strerror(-r));
	if (counts.reached != seen[index].reached || counts.oom != seen[index].oom)
		sig->recheck = 1;
	if (counts.oom != seen[index].oom) {
		sig->stall = SHRINK_LEVEL_CRITICAL;
		sig->priority = OOM_PRIORITY;
	}
	seen[index] = counts;
	return 0;
}

/* Our own level is the first; what it says is not lost by being read here. */
static int events_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	src->next_sample = now + LOOK_NSEC;
	return events_ready(src, 0, 0, now, sig);
}

const struct shrink_source_ops shrink_source_events = {
	.name = "events",
	.open = events_open,
	.watches_group = 1,
	.close = events_close,
	.ready = events_ready,
	.sample = events_sample,
};
