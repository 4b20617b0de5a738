// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/bridge/helper.h>
#include <libshrink/bridge/wire.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/seqpacket.h>

#define HELLO_USEC	2000000
#define AGAIN_NSEC	NSEC_PER_SEC
#define AGAIN_NSEC_MAX	(60 * NSEC_PER_SEC)
/* Messages in one turn: a helper that never rests must not hold the monitor. */
#define MESSAGES_MAX	1024

/* One monitor, one bridge. */
static struct {
	char path[108];
	int fd;		   /* the monitor's */
	_Atomic int fresh; /* the chore's: connected, and not yet taken; -1 = none */
	uint64_t again;	   /* when it is looked for; the monitor's */
	uint64_t wait;
} helper = {.fd = -1, .fresh = -1};

static int refuse(int fd, int err, const char *why, char *reason, size_t size)
{
	snprintf(reason, size, "%s%s%s", why, err ? ": " : "", err ? strerror(-err) : "");
	shrink_os_close(fd);
	return err ? err : -EPROTO;
}

/* A descriptor to which it has said hello, or a negative errno with the reason. */
static int greet(char *reason, size_t size)
{
	int fd = shrink_os_seqpacket_connect(helper.path);
	struct wire_message hello = {0};
	ssize_t n;

	if (fd < 0)
		return refuse(-1, fd,
			      fd == -EOWNERDEAD ? "who listens is a stranger" : helper.path, reason,
			      size);
	n = shrink_os_seqpacket_receive(fd, &hello, sizeof(hello), HELLO_USEC);
	if (n < 0)
		return refuse(fd, (int)n, "no hello", reason, size);
	if (n != sizeof(hello) || hello.type != WIRE_HELLO)
		return refuse(fd, 0, "no shrink-bridged", reason, size);
	if (hello.priority)
		return refuse(fd, hello.priority < 0 ? hello.priority : -EPROTO, "refused", reason,
			      size);
	if (hello.kind != WIRE_VERSION)
		return refuse(fd, 0, "of another version", reason, size);
	return fd;
}

int shrink_helper_open(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	int r;

	helper.fd = -1;
	atomic_store(&helper.fresh, -1);
	helper.again = UINT64_MAX;
	helper.wait = AGAIN_NSEC;
	snprintf(helper.path, sizeof(helper.path), "%s",
		 who->socket && *who->socket ? who->socket : WIRE_SOCKET);
	r = greet(reason, size);
	if (r < 0)
		return r;
	helper.fd = r;
	return 0;
}

void shrink_helper_close(void)
{
	shrink_os_close(atomic_exchange(&helper.fresh, -1));
	shrink_os_close(helper.fd);
	helper.fd = -1;
}

int shrink_helper_fd(void)
{
	return helper.fd;
}

/* The descriptor is closed at once: one that has ended is always ready. */
static void gone(void)
{
	shrink_os_close(helper.fd);
	helper.fd = -1;
	helper.again = shrink_os_clock_real() + helper.wait;
	helper.wait = shrink_min_u64(2 * helper.wait, AGAIN_NSEC_MAX);
}

/* True: @message is an event. What is no message of ours ends it as the end does. */
static bool receive(struct wire_message *message)
{
	ssize_t n = shrink_os_seqpacket_receive(helper.fd, message, sizeof(*message), 0);

	if (n == sizeof(*message) && message->type == WIRE_EVENT)
		return true;
	if (n != -EAGAIN)
		gone();
	return false;
}

int shrink_helper_take(shrink_bridge_fn fn, void *arg)
{
	struct wire_message message;
	int nr = 0;

	if (helper.fd < 0)
		helper.fd = atomic_exchange(&helper.fresh, -1);
	while (helper.fd >= 0 && nr < MESSAGES_MAX && receive(&message)) {
		struct follow_event event = {
			.nsec = message.nsec,
			.nid = message.nid,
			.priority = message.priority,
			.kind = message.kind,
			.folded = message.folded,
			.lost = message.lost,
		};

		helper.wait = AGAIN_NSEC;
		fn(arg, &event);
		nr++;
	}
	return nr;
}

bool shrink_helper_due(void)
{
	return helper.fd < 0 && atomic_load(&helper.fresh) < 0 &&
	       shrink_os_clock_real() >= helper.again;
}

int shrink_helper_chore(void)
{
	char reason[128];
	int fd = greet(reason, sizeof(reason));

	if (fd >= 0)
		atomic_store(&helper.fresh, fd);
	helper.again = shrink_os_clock_real() + helper.wait;
	helper.wait = shrink_min_u64(2 * helper.wait, AGAIN_NSEC_MAX);
	return 0;
}
