// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The service manager's protocol, with doubles of every kind it may name. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <shrink/conf.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/watch.h>
#include <libshrink/source/source.h>
#include <libshrink/source/systemd.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"

#define MS NSEC_PER_MSEC
#define PSI "/u/own/memory.pressure"
/* "some 100000 1000000" and a NUL */
#define TRIGGER "c29tZSAxMDAwMDAgMTAwMDAwMAA="
#define TRIGGER_BYTES 20

static struct shrink_cgroup cg;
static struct shrink_source src;

static int open_with(const char *path, const char *data)
{
	if (path)
		setenv("MEMORY_PRESSURE_WATCH", path, 1);
	else
		unsetenv("MEMORY_PRESSURE_WATCH");
	if (data)
		setenv("MEMORY_PRESSURE_WRITE", data, 1);
	else
		unsetenv("MEMORY_PRESSURE_WRITE");
	memset(&src, 0, sizeof(src));
	src.ops = &shrink_source_systemd;
	src.cgroup = &cg;
	return src.ops->open(&src);
}

static void end(void)
{
	src.ops->close(&src);
	src.ops->close(&src); /* once more does no harm */
	ASSERT_INT(shrink_os_fd_count(), 0);
	fakeroot_end();
	unsetenv("MEMORY_PRESSURE_WATCH");
	unsetenv("MEMORY_PRESSURE_WRITE");
}

static void stalled(uint64_t some)
{
	fakeroot_file(PSI, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%llu\n"
		      "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		      (unsigned long long)some);
}

static int ready(uint32_t events, uint64_t now, struct shrink_signal *ret)
{
	memset(ret, 0, sizeof(*ret));
	return src.ops->ready(&src, 0, events, now, ret);
}

/* As the monitor would see it, without waiting. */
static int is_ready(void)
{
	struct pollfd p = {src.fd[0], (short)src.epoll[0], 0};

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

static void test_not_asked(void)
{
	fakeroot_begin();
	ASSERT_INT(open_with(NULL, NULL), -ENOENT);
	CU_ASSERT(!shrink_systemd_forbids());
	ASSERT_INT(open_with("/dev/null", NULL), -ECANCELED);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "MEMORY_PRESSURE_WATCH"));
	CU_ASSERT(shrink_systemd_forbids());
	ASSERT_INT(open_with("", TRIGGER), -ECANCELED);
	CU_ASSERT(shrink_systemd_forbids());
	ASSERT_INT(shrink_conf_set("systemd", "off"), 0);
	ASSERT_INT(open_with("/dev/null", NULL), -ECANCELED);
	CU_ASSERT(!shrink_systemd_forbids());
	ASSERT_INT(shrink_conf_set("systemd", "on"), 0);
	end();
}

static void test_bad_values(void)
{
	static const char *const paths[] = {"memory.pressure", "./x", "/u/../u/own/memory.pressure",
					    "/u//own", "/u/./own", "/u/..", "/u/."};
	static const char *const data[] = {"c29tZSAx====", "?", "c29tZQ", "\xff"};
	char large[8192];

	fakeroot_begin();
	stalled(0);
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(paths); i++) {
		ASSERT_INT(open_with(paths[i], TRIGGER), -EBADMSG);
		CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "MEMORY_PRESSURE_WATCH"));
	}
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(data); i++) {
		ASSERT_INT(open_with(PSI, data[i]), -EBADMSG);
		CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "not Base64"));
	}
	memset(large, 'A', sizeof(large));
	large[sizeof(large) - 4] = '\0';
	ASSERT_INT(open_with(PSI, large), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "too long"));
	CU_ASSERT(!shrink_systemd_forbids()); /* a mistake is no wish */
	ASSERT_INT(open_with("/not/there", TRIGGER), -ENOENT);
	ASSERT_INT(open_with("/u", TRIGGER), -EBADF);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "neither"));
	end();
}

/* What the manager gives goes into the file to the byte, NUL and all. */
static void test_file(void)
{
	char text[64];
	struct shrink_signal sig;
	FILE *f;

	fakeroot_begin();
	stalled(7000000);
	ASSERT_INT(open_with(PSI, TRIGGER), 0);
	ASSERT_INT(src.nr_fds, 1);
	ASSERT_INT(src.epoll[0], EPOLLPRI);
	f = fopen(fakeroot_path(PSI), "r");
	ASSERT_INT(fread(text, 1, TRIGGER_BYTES, f), TRIGGER_BYTES);
	CU_ASSERT(!memcmp(text, "some 100000 1000000", TRIGGER_BYTES));
	fclose(f);

	stalled(7100000);
	ASSERT_INT(ready(EPOLLPRI, 1000 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	ASSERT_INT(sig.priority, 12);
	ASSERT_INT(sig.manual, 0); /* the gauges have their say */
	ASSERT_INT(ready(EPOLLPRI, 1010 * MS, &sig), 0);
	ASSERT_INT(sig.stall, 0); /* one signal for one stall */
	ASSERT_INT(ready(EPOLLPRI, 2000 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	/* the group is gone: for ever */
	ASSERT_INT(ready(EPOLLPRI | EPOLLERR, 3000 * MS, &sig), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "gone"));
	end();
}

/* Kernels that fire at the first tiny stall: not believed, but only that once. */
static void test_false_event(void)
{
	struct shrink_signal sig;

	fakeroot_begin();
	stalled(7000000);
	ASSERT_INT(open_with(PSI, TRIGGER), 0);
	stalled(7000100);
	ASSERT_INT(ready(EPOLLPRI, 10 * MS, &sig), 0);
	ASSERT_INT(sig.stall, 0);
	ASSERT_INT(sig.hint, 1);
	ASSERT_INT(ready(EPOLLPRI, 20 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	end();
	/* a trigger we cannot read is believed at once */
	fakeroot_begin();
	stalled(7000000);
	ASSERT_INT(open_with(PSI, "bmV3IDEgMg=="), 0);
	ASSERT_INT(ready(EPOLLPRI, 10 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	end();
}

/* No MEMORY_PRESSURE_WRITE: the place is the manager's, the threshold ours. */
static void test_file_without_data(void)
{
	char text[64] = "";
	FILE *f;

	fakeroot_begin();
	stalled(0);
	ASSERT_INT(open_with(PSI, NULL), 0);
	f = fopen(fakeroot_path(PSI), "r");
	CU_ASSERT(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	CU_ASSERT_STRING_EQUAL(text, "some 100000 1000000");
	end();
}

static void write_to(const char *path, const char *text)
{
	int fd = open(fakeroot_path(path), O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	CU_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void test_fifo(void)
{
	struct shrink_signal sig;

	fakeroot_begin();
	fakeroot_fifo("/run/pressure");
	ASSERT_INT(open_with("/run/pressure", TRIGGER), 0);
	ASSERT_INT(src.epoll[0], EPOLLIN);
	/* nobody has read what we wrote: it comes back, and is no pressure */
	ASSERT_INT(is_ready(), POLLIN);
	ASSERT_INT(ready(EPOLLIN, 10 * MS, &sig), 0);
	ASSERT_INT(sig.stall, 0);
	ASSERT_INT(is_ready(), 0);
	write_to("/run/pressure", "now");
	ASSERT_INT(ready(EPOLLIN, 20 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	ASSERT_INT(sig.manual, 1); /* somebody means it */
	ASSERT_INT(is_ready(), 0); /* read, and no end of file without writers */
	write_to("/run/pressure", "at once again");
	ASSERT_INT(ready(EPOLLIN, 30 * MS, &sig), 0);
	ASSERT_INT(sig.stall, 0);
	ASSERT_INT(is_ready(), 0);
	ASSERT_INT(ready(EPOLLIN, 40 * MS, &sig), 0); /* woken for nothing */
	ASSERT_INT(sig.stall, 0);
	end();

	/* without data of ours the first byte counts */
	fakeroot_begin();
	fakeroot_fifo("/run/pressure");
	ASSERT_INT(open_with("/run/pressure", NULL), 0);
	ASSERT_INT(is_ready(), 0);
	write_to("/run/pressure", "x");
	ASSERT_INT(ready(EPOLLIN, 10 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	end();
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), here;
	char *dir, *name;

	fakeroot_file(path, "%s", "");
	fakeroot_remove(path);
	dir = strdup(fakeroot_path(path));
	name = strrchr(dir, '/');
	*name++ = '\0';
	/* from within its folder, whose path may be longer than an address */
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", name);
	here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT(!chdir(dir) && !bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 1));
	CU_ASSERT(!fchdir(here));
	close(here);
	free(dir);
	return fd;
}

static void test_socket(void)
{
	static const char path[] =
		"/run/a-folder-with-a-name-of-some-length/and-another-one-of-no-less-length-inside"
		"/so-that-no-address-holds-it/pressure.socket";
	struct shrink_signal sig;
	char text[64];
	int server, peer;

	fakeroot_begin();
	server = listen_at(path);
	ASSERT_INT(open_with(path, TRIGGER), 0);
	ASSERT_INT(src.epoll[0], EPOLLIN);
	peer = accept(server, NULL, NULL);
	ASSERT_INT(read(peer, text, sizeof(text)), TRIGGER_BYTES);
	CU_ASSERT(!memcmp(text, "some 100000 1000000", TRIGGER_BYTES));
	ASSERT_INT(is_ready(), 0);
	ASSERT_INT(write(peer, "now", 3), 3);
	ASSERT_INT(is_ready(), POLLIN);
	ASSERT_INT(ready(EPOLLIN, 10 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	ASSERT_INT(sig.manual, 1);
	ASSERT_INT(is_ready(), 0);
	/* what is queued when it closes still counts; then it is over */
	ASSERT_INT(write(peer, "last", 4), 4);
	close(peer);
	ASSERT_INT(ready(EPOLLIN | EPOLLHUP, 2000 * MS, &sig), 0);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	ASSERT_INT(ready(EPOLLIN | EPOLLHUP, 2010 * MS, &sig), -EPIPE);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "closed"));
	src.ops->close(&src);
	close(server);
	ASSERT_INT(open_with(path, TRIGGER), -ECONNREFUSED); /* nobody listens any more */
	end();
}

/* A writer that never rests holds nobody up. */
static void test_flood(void)
{
	static char block[4096];
	struct shrink_signal sig;
	int fd, turns = 0;

	fakeroot_begin();
	fakeroot_fifo("/run/pressure");
	ASSERT_INT(open_with("/run/pressure", NULL), 0);
	fd = open(fakeroot_path("/run/pressure"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	fcntl(fd, F_SETPIPE_SZ, 1 << 20);
	while (write(fd, block, sizeof(block)) > 0)
		;
	while (is_ready() && ++turns < 1000)
		ASSERT_INT(ready(EPOLLIN, 10 * MS, &sig), 0);
	CU_ASSERT(turns < 1000);
	close(fd);
	end();
}

/* After fork the numbers of the parent's descriptors may be anybody's. */
static void test_reopen(void)
{
	int foreign[8];

	fakeroot_begin();
	stalled(0);
	ASSERT_INT(open_with(PSI, TRIGGER), 0);
	shrink_os_fd_fork_child();
	for (int k = 0; k < 8; k++)
		foreign[k] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stalled(0);
	ASSERT_INT(open_with(PSI, TRIGGER), 0);
	src.ops->close(&src);
	for (int k = 0; k < 8; k++) {
		CU_ASSERT(fcntl(foreign[k], F_GETFD) >= 0);
		close(foreign[k]);
	}
	end();
}

static const struct test tests[] = {
	{"G9: not asked, or switched off", test_not_asked},
	{"G9: bad values", test_bad_values},
	{"a PSI file", test_file},
	{"a false first event", test_false_event},
	{"a PSI file without data to write", test_file_without_data},
	{"a FIFO", test_fifo},
	{"a socket, with a long path", test_socket},
	{"a flood", test_flood},
	{"G10: reopened in a forked child", test_reopen},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "systemd", tests);
}
