// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * cgroup v1: memory.oom_control. The kernel has tried and failed; it signals our group's
 * eventfd, also when it is a group above us that is full. Where its killer is switched
 * off (oom_kill_disable), whoever needs a page waits until somebody gives some back: so
 * while the file says under_oom we press on.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/cgroup-control.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/events.h>
#include <libshrink/source/source.h>

/* The kernel's own way from here is short: begin well down. */
#define OOM_PRIORITY 2
/* While tasks wait; a round or two fit between. */
#define LOOK_NSEC (10 * NSEC_PER_MSEC)

static struct {
	int file;
	uint64_t kills; /* seen */
} oom = {.file = -1};

void shrink_oom_parse(const char *text, uint64_t *ret_under, uint64_t *ret_kills)
{
	*ret_under = *ret_kills = 0;
	shrink_parse_field(text, "under_oom", ret_under);
	shrink_parse_field(text, "oom_kill", ret_kills);
}

static int read_oom(uint64_t *ret_under, uint64_t *ret_kills)
{
	char text[256];
	ssize_t n = shrink_os_pread(oom.file, text, sizeof(text));

	if (n < 0)
		return (int)n;
	shrink_oom_parse(text, ret_under, ret_kills);
	return 0;
}

static void oom_close(struct shrink_source *src)
{
	if (src->nr_fds)
		shrink_os_close(src->fd[0]);
	src->nr_fds = 0;
	shrink_os_close(oom.file);
	oom.file = -1;
}

static int arm(struct shrink_source *src)
{
	const struct shrink_cgroup_level *own = &src->cgroup->level[0];
	int control = shrink_os_cgroup_control(own), r = control;
	uint64_t under;

	if (r >= 0)
		r = oom.file = shrink_os_cgroup_file(own, "memory.oom_control");
	if (r >= 0)
		r = read_oom(&under, &oom.kills);
	if (r >= 0)
		r = shrink_os_eventfd(0);
	if (r >= 0) {
		src->fd[src->nr_fds++] = r;
		r = shrink_os_cgroup_arm(control, r, oom.file, "");
	}
	shrink_os_close(control);
	return r;
}

static int oom_open(struct shrink_source *src)
{
	int r;

	oom.file = -1;
	src->nr_fds = 0;
	src->next_sample = UINT64_MAX;
	if (!SHRINK_TUN(oom))
		return shrink_source_fail(src, -ECANCELED, "switched off by configuration");
	if (src->cgroup->version != 1)
		return shrink_source_fail(src, -EOPNOTSUPP, "no cgroup v1 memory controller");
	r = arm(src);
	if (r < 0) {
		oom_close(src);
		return shrink_source_fail(src, r, "memory.oom_control: %s", strerror(-r));
	}
	return 0;
}

static int look(struct shrink_source *src, uint64_t now, bool signalled,
		struct shrink_signal *sig)
{
	uint64_t under, kills;
	int r = read_oom(&under, &kills);

	if (r < 0)
		return shrink_source_fail(src, r, r == -ENODEV ? "the group was removed"
							       : "memory.oom_control: %s",
					  strerror(-r));
	src->next_sample = under ? now + LOOK_NSEC : UINT64_MAX;
	if (under || signalled || kills != oom.kills) {
		sig->recheck = 1;
		sig->stall = SHRINK_LEVEL_CRITICAL;
		sig->priority = OOM_PRIORITY;
	}
	oom.kills = kills;
	return 0;
}

static int oom_sample(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	return look(src, now, false, sig);
}

static int oom_ready(struct shrink_source *src, int index, uint32_t epoll_events, uint64_t now,
		     struct shrink_signal *sig)
{
	(void)epoll_events;
	return look(src, now, shrink_os_drain(src->fd[index]) != 0, sig);
}

const struct shrink_source_ops shrink_source_oom = {
	.name = "oom",
	.open = oom_open,
	.watches_group = 1,
	.close = oom_close,
	.ready = oom_ready,
	.sample = oom_sample,
};
