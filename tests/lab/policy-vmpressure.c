// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The kernel's vmpressure at level medium, through a v1 group's event file, as EVE
 * does: a tenth goes and the heap is trimmed, at most once in ten seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/lab/lab.h"

#define HOLD (10 * LAB_NSEC)

static void *run(void *arg)
{
	struct lab *lab = arg;
	struct pollfd pollfd = {.fd = lab->efd, .events = POLLIN};
	uint64_t times, quiet_until = 0;

	while (!lab->stop) {
		if (poll(&pollfd, 1, 20) <= 0 || read(lab->efd, &times, sizeof(times)) < 0)
			continue;
		if (lab_nsec() < quiet_until)
			continue;
		lab_give_back(lab, lab->store.bytes / 10);
		quiet_until = lab_nsec() + HOLD;
	}
	return NULL;
}

static int register_event(struct lab *lab)
{
	char path[4352], text[64];
	int control, n, r = 0;

	snprintf(path, sizeof(path), "%s/memory.pressure_level", lab->group);
	lab->fd = open(path, O_RDONLY | O_CLOEXEC);
	lab->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lab->fd < 0 || lab->efd < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/cgroup.event_control", lab->group);
	control = open(path, O_WRONLY | O_CLOEXEC);
	if (control < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%d %d medium", lab->efd, lab->fd);
	if (write(control, text, (size_t)n) != n)
		r = -errno;
	close(control);
	return r;
}

static int start(struct lab *lab, const char **ret_why)
{
	int r = register_event(lab);

	*ret_why = "no memory.pressure_level: not a v1 group";
	return r < 0 ? r : lab_thread(lab, run);
}

const struct lab_policy lab_policy_eve = {
	.name = "eve",
	.summary = "vmpressure medium, a tenth and a trim",
	.start = start,
	.stop = lab_thread_end,
};
