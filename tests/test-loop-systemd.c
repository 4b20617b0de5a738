// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The service manager's protocol in loop mode: shrink_get_fd() is readable when the
 * manager has something to say, shrink_dispatch() answers it and makes it unreadable, for
 * each kind of file there is; and what the manager must not do to us.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libshrink/source/monitor.h>

#include "tests/cache.h"
#include "tests/fakeroot.h"
#include "tests/harness.h"
#include "tests/machine.h"
#include "tests/os-double.h"

#define OBJECTS 1000000
/* "some 100000 1000000" and a NUL */
#define TRIGGER "c29tZSAxMDAwMDAgMTAwMDAwMAA="
#define TRIGGER_BYTES 20

static struct cache cache;

/* The made-up machine, told what the manager has to say. */
static void prepare(const char *watch, const char *write)
{
	char root[256];

	os_double_reset();
	machine_begin(2);
	snprintf(root, sizeof(root), "%s", fakeroot_path(""));
	ASSERT_INT(shrink_conf_set("sysroot", root), 0);
	/* no look of our own while the test runs, which would hide a lost wake-up */
	shrink_conf_set("sample_min", "1000000");
	shrink_conf_set("sample_max", "60000000");
	setenv("MEMORY_PRESSURE_WATCH", watch, 1);
	if (write)
		setenv("MEMORY_PRESSURE_WRITE", write, 1);
	else
		unsetenv("MEMORY_PRESSURE_WRITE");
	log_begin();
}

/* Dispatches until there is nothing to do at once; 0: it went on and on. */
static int settle(void)
{
	struct pollfd p = {.fd = shrink_get_fd(), .events = POLLIN};

	for (int i = 0; i < 200; i++) {
		if (!poll(&p, 1, 0))
			return 1;
		CU_ASSERT(shrink_dispatch(0) >= 0);
	}
	return 0;
}

static void start(void)
{
	ASSERT_INT(shrink_start(SHRINK_START_LOOP), 0);
	cache_new(&cache, "loop", OBJECTS);
	CU_ASSERT(settle());
	ASSERT_INT((long)atomic_load(&cache.scans), 0); /* nobody has said anything yet */
}

static void end(void)
{
	cache_end(&cache);
	ASSERT_INT(shrink_stop(), 0);
	log_end();
	unsetenv("MEMORY_PRESSURE_WATCH");
	unsetenv("MEMORY_PRESSURE_WRITE");
	shrink_conf_set("sysroot", "");
	shrink_conf_set("sample_min", "2000");
	shrink_conf_set("sample_max", "500000");
	machine_leave();
}

/* Readable, whatever it takes the machine; but not for ever. */
static int readable(void)
{
	struct pollfd p = {.fd = shrink_get_fd(), .events = POLLIN};

	return poll(&p, 1, 60000);
}

/* Somebody means it: answered although there is room, and then it is quiet. */
static void answered(void)
{
	ASSERT_INT(readable(), 1);
	CU_ASSERT(shrink_dispatch(0) > 0);
	CU_ASSERT(atomic_load(&cache.freed) > 0);
	ASSERT_INT((long)machine_source("systemd")->events, 1);
	CU_ASSERT(settle());
}

static void test_fifo(void)
{
	int fd;

	prepare("/run/pressure", TRIGGER);
	fakeroot_fifo("/run/pressure");
	start(); /* what was written came back, and was no pressure */
	CU_ASSERT(machine_says("systemd", "live", "/run/pressure"));
	fd = open(fakeroot_path("/run/pressure"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_INT(write(fd, "now", 3), 3);
	answered();
	close(fd);
	CU_ASSERT(settle()); /* a FIFO without writers is no event */
	ASSERT_INT((long)log_count(""), 0);
	end();
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CU_ASSERT((size_t)snprintf(at.sun_path, sizeof(at.sun_path), "%s", fakeroot_path(path)) <
		  sizeof(at.sun_path));
	CU_ASSERT(!bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 1));
	return fd;
}

static void test_socket(void)
{
	char text[64];
	int server, peer;

	prepare("/pressure.socket", TRIGGER);
	server = listen_at("/pressure.socket");
	start();
	peer = accept(server, NULL, NULL);
	ASSERT_INT(read(peer, text, sizeof(text)), TRIGGER_BYTES);
	CU_ASSERT(!memcmp(text, "some 100000 1000000", TRIGGER_BYTES));
	ASSERT_INT(write(peer, "now", 3), 3);
	answered();
	/* the manager restarts: said once, and our own measure of stall counts again */
	close(peer);
	CU_ASSERT(settle());
	CU_ASSERT(machine_says("systemd", "failed", "closed"));
	CU_ASSERT(machine_says("psi", "live", "in place of systemd"));
	ASSERT_INT((long)log_count(""), 1);
	ASSERT_INT((long)log_count("systemd"), 1);
	close(server);
	end();
}

static void test_file(void)
{
	struct shrink_source *src;

	prepare("/u/own/memory.pressure", TRIGGER);
	machine_stalled(5000000, 0);
	start();
	src = machine_source("systemd");
	CU_ASSERT(machine_says("systemd", "live", "/u/own/memory.pressure"));
	ASSERT_INT((long)src->epoll[0], EPOLLPRI);
	machine_stalled(5000070, 0);
	os_signal(src->fd[0], EPOLLPRI); /* the first tiny stall: closer looks, nothing more */
	ASSERT_INT(readable(), 1);
	CU_ASSERT(shrink_dispatch(0) >= 0);
	ASSERT_INT((long)src->events, 1);
	ASSERT_INT((long)atomic_load(&cache.scans), 0);
	CU_ASSERT(settle());
	machine_stalled(5200000, 0);
	os_signal(src->fd[0], EPOLLPRI);
	ASSERT_INT(readable(), 1);
	CU_ASSERT(shrink_dispatch(0) >= 0);
	ASSERT_INT((long)src->events, 2);
	/* somebody else's poll has taken the event: the total says what it was */
	machine_stalled(5900000, 0);
	sleep_ms(300); /* one signal for one stall */
	CU_ASSERT(settle());
	CU_ASSERT(shrink_dispatch(0) >= 0);
	ASSERT_INT((long)src->events, 3);
	CU_ASSERT(settle());
	/* and so they do where something else is ready in the same turn */
	machine_stalled(6900000, 0);
	sleep_ms(300);
	shrink_monitor_wake();
	ASSERT_INT(readable(), 1);
	CU_ASSERT(shrink_dispatch(0) >= 0);
	ASSERT_INT((long)src->events, 4);
	CU_ASSERT(settle());
	ASSERT_INT((long)atomic_load(&cache.scans), 0); /* there is room all the time (G7) */
	/* the trigger is gone for good, and does not keep us busy */
	os_signal(src->fd[0], EPOLLPRI | EPOLLERR);
	ASSERT_INT(readable(), 1);
	CU_ASSERT(settle());
	CU_ASSERT(machine_says("systemd", "failed", "gone"));
	ASSERT_INT((long)log_count(""), 1);
	end();
}

static void test_off(void)
{
	prepare("/dev/null", TRIGGER);
	start();
	CU_ASSERT(machine_says("systemd", "off", "MEMORY_PRESSURE_WATCH"));
	CU_ASSERT(machine_says("psi", "off", "MEMORY_PRESSURE_WATCH"));
	CU_ASSERT(machine_says("usage", "live", "")); /* a limit is a limit all the same */
	ASSERT_INT((long)log_count(""), 0);
	end();
}

/* A mistake is warned of once, and left to whoever watches without the manager. */
static void test_bad(void)
{
	static const char *const bad[][2] = {
		{"/u/own/memory.pressure", "c29tZSAx===="}, {"/u/own/memory.pressure", "?"},
		{"not/absolute", TRIGGER}, {"/not/there", TRIGGER}, {"/u", TRIGGER}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		prepare(bad[i][0], bad[i][1]);
		start();
		CU_ASSERT(machine_says("systemd", "unsupported", ""));
		CU_ASSERT(machine_says("psi", "live", ""));
		ASSERT_INT(machine_source("psi")->muted, 0);
		ASSERT_INT((long)log_count(""), 1);
		end();
	}
}

static const struct test tests[] = {
	{"a FIFO", test_fifo},
	{"a socket, until the manager closes it", test_socket},
	{"a PSI file: false first event, stolen events, its end", test_file},
	{"G9: switched off", test_off},
	{"G9: bad values", test_bad},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "loop and systemd", tests);
}
