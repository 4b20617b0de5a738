// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * cgroup v1: memory.pressure_level. The kernel signals an eventfd when, of the pages it
 * looked at for reclaim, it could take few: low (it does reclaim), medium (it could take
 * under 40 of 100), critical (under 5, or it is about to give up).
 *
 * A level listened to also tells of the graver ones, so three eventfds say which it was.
 * They are armed at our own group and at those above us, whose limits press us too; there
 * as here for what arises in that group itself ("local"), since "default" and
 * "hierarchy" also tell of groups beside and below us, which are strangers (G7).
 *
 * Page cache alone gives low, some hundred times a second where a file is streamed: so
 * listening begins at medium, unless configured otherwise, and low only makes the monitor
 * look. One signal for one stall, like psi, but for a graver level.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/cgroup-control.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/source.h>

#define LEVELS 3
#define QUIET_NSEC (100 * NSEC_PER_MSEC)

static const struct {
	const char *word;
	enum shrink_level level; /* NORMAL: look only */
	int priority;
} what[LEVELS] = {
	{"critical", SHRINK_LEVEL_CRITICAL, 2},
	{"medium", SHRINK_LEVEL_MEDIUM, 6},
	{"low", SHRINK_LEVEL_NORMAL, 12},
};

/* The words of the tunable. */
static const char *const modes[] = {"local", "default", "hierarchy"};

static struct {
	uint64_t quiet_until;
	enum shrink_level quiet_level;
} pressure;

/* 0 or a negative errno; @mode NULL: kernels before 4.13, which know none. */
static int arm(const struct shrink_cgroup_level *group, int eventfd, const char *word,
	       const char *mode)
{
	int control = shrink_os_cgroup_control(group);
	int file = shrink_os_cgroup_file(group, "memory.pressure_level");
	char args[32];
	int r = control < 0 ? control : file;

	snprintf(args, sizeof(args), "%s%s%s", word, mode ? "," : "", mode ? mode : "");
	if (r >= 0)
		r = shrink_os_cgroup_arm(control, eventfd, file, args);
	shrink_os_close(file);
	shrink_os_close(control);
	return r;
}

/* Our own group's must do; those above may be out of reach. */
static int arm_all(const struct shrink_cgroup *cg, int eventfd, const char *word)
{
	const char *mode = modes[SHRINK_TUN(vmpressure_mode)];
	int r = arm(&cg->level[0], eventfd, word, mode);

	if (r == -EINVAL)
		return arm(&cg->level[0], eventfd, word, NULL);
	for (int i = 1; r >= 0 && i < cg->nr_levels; i++)
		if (shrink_os_cgroup_level_limit(&cg->level[i]) != UINT64_MAX)
			arm(&cg->level[i], eventfd, word, modes[0]);
	return r;
}

static void vmpressure_close(struct shrink_source *src)
{
	while (src->nr_fds > 0)
		shrink_os_close(src->fd[--src->nr_fds]);
}

static int vmpressure_open(struct shrink_source *src)
{
	int weakest = (int)SHRINK_TUN(vmpressure);

	src->nr_fds = 0;
	src->next_sample = UINT64_MAX;
	pressure.quiet_until = 0;
	if (!weakest)
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	if (src->cgroup->version != 1)
		return shrink_source_fail(src, -EOPNOTSUPP, "no cgroup v1 memory controller");
	for (int i = 0; i < weakest; i++) {
		int fd = shrink_os_eventfd(0), r = fd;

		if (fd >= 0) {
			src->fd[src->nr_fds++] = fd;
			r = arm_all(src->cgroup, fd, what[i].word);
		}
		if (r < 0) {
			vmpressure_close(src);
			return shrink_source_fail(src, r, "memory.pressure_level: %s",
						  strerror(-r));
		}
	}
	return 0;
}

/* The end of a group signals its eventfds too. */
static int is_gone(const struct shrink_cgroup *cg)
{
	uint64_t usage;

	return shrink_os_pread_u64(cg->level[0].usage_fd, &usage) == -ENODEV;
}

static int vmpressure_ready(struct shrink_source *src, int index, uint32_t epoll_events,
			    uint64_t now, struct shrink_signal *sig)
{
	(void)epoll_events;
	if (!shrink_os_drain(src->fd[index]))
		return 0;
	if (is_gone(src->cgroup))
		return shrink_source_fail(src, -ENODEV, "the group was removed");
	sig->recheck = 1;
	if (!what[index].level) {
		sig->hint = 1;
		return 0;
	}
	if (now < pressure.quiet_until && what[index].level <= pressure.quiet_level)
		return 0;
	pressure.quiet_until = now + QUIET_NSEC;
	pressure.quiet_level = what[index].level;
	sig->stall = what[index].level;
	sig->priority = what[index].priority;
	return 0;
}

const struct shrink_source_ops shrink_source_vmpressure = {
	.name = "vmpressure",
	.open = vmpressure_open,
	.watches_group = 1,
	.close = vmpressure_close,
	.ready = vmpressure_ready,
	.measures_stall = 1,
	.yields_to = &shrink_source_systemd,
};
