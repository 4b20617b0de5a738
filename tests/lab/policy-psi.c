// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Waiting for the kernel's PSI triggers, as two projects do:
 *
 *   systemd   100 ms of stall a second; unprivileged, as here, 200 ms in 2 s. Its
 *             default answer only trims the heap; a service of its kind flushes a part
 *             of its caches: a tenth goes, then the trim.
 *   mariadb   10.11: "full" 10 ms in 2 s; everything unpinned goes, then a minute
 *             of not looking.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/lab/lab.h"

#define MARIADB_HOLD (60 * LAB_NSEC)

static int open_trigger(struct lab *lab, const char *trigger, const char **ret_why)
{
	static const char *const system_wide = "/proc/pressure/memory";

	*ret_why = "no PSI trigger here";
	lab->fd = open(lab->psi ? lab->psi : system_wide, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (lab->fd < 0)
		return -errno;
	if (write(lab->fd, trigger, strlen(trigger) + 1) < 0)
		return -errno;
	return 0;
}

static void wait_events(struct lab *lab, void (*answer)(struct lab *))
{
	struct pollfd pollfd = {.fd = lab->fd, .events = POLLPRI};

	while (!lab->stop)
		if (poll(&pollfd, 1, 20) > 0 && !(pollfd.revents & POLLERR))
			answer(lab);
}

static void flush_some(struct lab *lab)
{
	lab_give_back(lab, lab->store.bytes / 10);
}

static void flush_all(struct lab *lab)
{
	uint64_t end = lab_nsec() + MARIADB_HOLD;

	lab_give_back(lab, lab->store.bytes);
	while (!lab->stop && lab_nsec() < end)
		lab_sleep_nsec(LAB_NSEC / 50);
}

static void *run_systemd(void *lab)
{
	wait_events(lab, flush_some);
	return NULL;
}

static void *run_mariadb(void *lab)
{
	wait_events(lab, flush_all);
	return NULL;
}

static int start_systemd(struct lab *lab, const char **ret_why)
{
	int r = open_trigger(lab, "some 200000 2000000", ret_why);

	return r < 0 ? r : lab_thread(lab, run_systemd);
}

static int start_mariadb(struct lab *lab, const char **ret_why)
{
	int r = open_trigger(lab, "full 10000 2000000", ret_why);

	return r < 0 ? r : lab_thread(lab, run_mariadb);
}

const struct lab_policy lab_policy_systemd = {
	.name = "systemd",
	.summary = "PSI trigger 200 ms in 2 s, a tenth and a trim",
	.start = start_systemd,
	.stop = lab_thread_end,
};

const struct lab_policy lab_policy_mariadb = {
	.name = "mariadb",
	.summary = "PSI trigger full 10 ms in 2 s, everything",
	.start = start_mariadb,
	.stop = lab_thread_end,
};
