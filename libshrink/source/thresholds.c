// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * cgroup v1: the kernel signals an eventfd when usage crosses a threshold, in
 * either direction. One eventfd takes a whole ladder of them, since all it has to
 * say is "look"; a ladder is replaced by a new eventfd with new rungs, whose
 * predecessor takes its rungs along when it is closed.
 *
 * Arming waits for a grace period in the kernel (about 8 ms a rung), so it is
 * done at open() and in chore(). A new ladder is staged by chore() and put into
 * service by the next sample() on the monitor thread, which is the only one that
 * touches src->fd.
 *
 * A threshold that lies below the usage at the time it is armed does not fire: so
 * usage is looked at again once a ladder is in service.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/cgroup-control.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/wmark.h>
#include <libshrink/source/ladder.h>
#include <libshrink/source/source.h>

/* Until a new limit is seen, the ladder of the old one watches nothing. */
#define LOOK_NSEC (250 * NSEC_PER_MSEC)

/* [0] our own group, [1] the ancestor with the smallest limit */
#define LADDERS 2

struct ladder {
	int level;      /* of the cgroup; -1 = nothing to arm */
	uint64_t limit; /* it was made for */
	int fd;         /* -1 = not armed */
};

static struct ladder live[LADDERS], staged[LADDERS];
/* Of each level, or why not; open from the beginning, so that nothing need be opened
 * when a limit changes behind a chroot or a filter. */
static int control[SHRINK_CGROUP_LEVELS], nr_controls;
static int is_staged;

static void forget(struct ladder *l)
{
	*l = (struct ladder){.level = -1, .limit = UINT64_MAX, .fd = -1};
}

static void close_controls(void)
{
	while (nr_controls > 0)
		shrink_os_close(control[--nr_controls]);
}

static void drop(struct ladder *l)
{
	shrink_os_close(l->fd);
	forget(l);
}

/* What each ladder should stand for, by the limits now. */
static void want(const struct shrink_cgroup *cg, struct ladder wanted[LADDERS])
{
	for (int i = 0; i < LADDERS; i++)
		forget(&wanted[i]);
	for (int level = 0; level < cg->nr_levels; level++) {
		uint64_t limit = shrink_os_cgroup_level_limit(&cg->level[level]);
		struct ladder *l = &wanted[level > 0];

		if (limit >= l->limit)
			continue;
		l->level = level;
		l->limit = limit;
	}
}

static int same(const struct ladder *a, const struct ladder *b)
{
	return a->level == b->level && a->limit == b->limit;
}

static int arm_rungs(const struct shrink_cgroup *cg, const struct ladder *l)
{
	uint64_t rungs[SHRINK_LADDER_RUNGS];
	int n = shrink_ladder(l->limit, shrink_wmark(l->limit, 0, 0, 0), rungs), r = 0;

	for (int i = 0; i < n && r >= 0; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%llu", (unsigned long long)rungs[i]);
		r = shrink_os_cgroup_arm(control[l->level], l->fd, cg->level[l->level].usage_fd,
					 text);
	}
	return r;
}

static int arm(const struct shrink_cgroup *cg, struct ladder *l)
{
	int r;

	if (l->level < 0)
		return 0;
	if (control[l->level] < 0)
		return control[l->level];
	l->fd = shrink_os_eventfd(0);
	r = l->fd < 0 ? l->fd : arm_rungs(cg, l);
	if (r < 0) {
		shrink_os_close(l->fd);
		l->fd = -1;
	}
	return r;
}

/* Shows the live ladders to the monitor. */
static void publish(struct shrink_source *src)
{
	src->nr_fds = 0;
	for (int i = 0; i < LADDERS; i++)
		if (live[i].fd >= 0)
			src->fd[src->nr_fds++] = live[i].fd;
	src->fds_changed = 1;
	shrink_source_fail(src, 0, "%s", src->nr_fds ? "" : "no limit to arm thresholds for yet");
}

static int thresholds_open(struct shrink_source *src)
{
	const struct shrink_cgroup *cg = src->cgroup;
	int r;

	for (int i = 0; i < LADDERS; i++) {
		forget(&live[i]);
		forget(&staged[i]);
	}
	is_staged = nr_controls = 0;
	if (!SHRINK_TUN(thresholds))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	if (cg->version != 1)
		return shrink_source_fail(src, -EOPNOTSUPP, "no cgroup v1 memory controller");
	for (nr_controls = 0; nr_controls < cg->nr_levels; nr_controls++)
		control[nr_controls] = shrink_os_cgroup_control(&cg->level[nr_controls]);
	r = control[0];
	if (r < 0) {
		close_controls();
		return shrink_source_fail(src, r, "cgroup.event_control: %s", strerror(-r));
	}
	want(cg, live);
	/* The ancestor's control may be out of reach where our own is not. */
	r = arm(cg, &live[0]);
	if (r >= 0 && arm(cg, &live[1]) < 0)
		live[1].fd = -1;
	if (r < 0) {
		close_controls();
		return shrink_source_fail(src, r, "arming: %s", strerror(-r));
	}
	publish(src);
	src->next_sample = 0;
	return 0;
}

static void thresholds_close(struct shrink_source *src)
{
	for (int i = 0; i < LADDERS; i++) {
		drop(&live[i]);
		drop(&staged[i]);
	}
	close_controls();
	is_staged = 0;
	src->nr_fds = 0;
}

static int thresholds_ready(struct shrink_source *src, int index, uint32_t epoll_events,
			    uint64_t now, struct shrink_signal *sig)
{
	(void)epoll_events;
	(void)now;
	if (shrink_os_drain(src->fd[index]))
		sig->recheck = 1;
	return 0;
}

/* Puts what chore() has made into service. */
static void take_over(struct shrink_source *src)
{
	for (int i = 0; i < LADDERS; i++) {
		if (same(&live[i], &staged[i]))
			continue;
		drop(&live[i]);
		live[i] = staged[i];
		forget(&staged[i]);
	}
	is_staged = 0;
	publish(src);
}

static int thresholds_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	struct ladder wanted[LADDERS];

	src->next_sample = now + LOOK_NSEC;
	if (is_staged) {
		take_over(src);
		sig->recheck = 1;
	}
	want(src->cgroup, wanted);
	for (int i = 0; i < LADDERS; i++)
		if (!same(&live[i], &wanted[i]))
			src->chore_due = 1;
	return 0;
}

static int thresholds_chore(struct shrink_source *src)
{
	int r = 0;

	want(src->cgroup, staged);
	for (int i = 0; i < LADDERS; i++)
		if (!same(&live[i], &staged[i]) && arm(src->cgroup, &staged[i]) < 0 && i == 0)
			r = -EIO;
	is_staged = 1;
	return r < 0 ? shrink_source_fail(src, r, "thresholds cannot be armed anew") : 0;
}

const struct shrink_source_ops shrink_source_thresholds = {
	.name = "thresholds",
	.open = thresholds_open,
	.watches_group = 1,
	.close = thresholds_close,
	.ready = thresholds_ready,
	.sample = thresholds_sample,
	.chore = thresholds_chore,
};
