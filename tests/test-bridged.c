// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * shrink-bridged and those it serves: a process without privilege is told of its own
 * group's reclaim and of no other's, and finds the helper again; clients that flood, talk
 * or do not read harm nobody. BRIDGED names another helper than the built one.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shrink/shrink.h>

#include <libshrink/bridge/wire.h>

#include "tests/cg.h"
#include "tests/harness.h"

#define NOBODY	  65534
#define CLIENTS	  "16" /* so a user who is not root may have four */

static struct cg ours, beside;
static char folder[] = "/tmp/libshrink-bridged-XXXXXX", path[64], program[4096];
static pid_t helper;
static int wait_msec = 60000; /* WAIT_MSEC */

static void nap(int msec)
{
	nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000L}, NULL);
}

/* Waits for the line it says when it listens. NULL, or what it said instead. */
static const char *start_helper(void)
{
	static char line[256];
	FILE *out;
	int fds[2];

	CU_ASSERT_FATAL(!pipe(fds));
	fflush(stdout);
	helper = fork();
	if (!helper) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		execl(program, program, "-s", path, "-c", CLIENTS, "-p", "2", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	out = fdopen(fds[0], "re");
	line[0] = '\0';
	if (!out || !fgets(line, sizeof(line), out))
		strcpy(line, "it says nothing");
	if (out)
		fclose(out);
	line[strcspn(line, "\n")] = '\0';
	return strncmp(line, "listening ", 10) ? line : NULL;
}

static int stop_helper(void)
{
	int status = -1;

	if (helper > 0) {
		kill(helper, SIGTERM);
		waitpid(helper, &status, 0);
	}
	helper = 0;
	return status;
}

static void end(void)
{
	stop_helper();
	unlink(path);
	rmdir(folder);
	cg_remove(&ours);
	cg_remove(&beside);
}

/* NULL, or why it cannot be shown here. */
static const char *begin(void)
{
	const char *why = cg_create_v1(&ours, "bridged", 0);

	if (!why)
		why = cg_create_v1(&beside, "bridged-beside", 0);
	if (why)
		return why;
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(folder) != NULL && !chmod(folder, 0755));
	snprintf(path, sizeof(path), "%s/socket", folder);
	return start_helper();
}

/* The group is reclaimed: what is in it, dentries, is taken at all priorities. */
static void press(const struct cg *group)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		char name[4300];
		struct stat st;

		if (cg_move(group, 0) < 0)
			_exit(1);
		for (int i = 0; i < 2000; i++) {
			snprintf(name, sizeof(name), "%s/none-%d", group->dir, i);
			(void)lstat(name, &st);
		}
		(void)cg_write(group, "memory.force_empty", "0");
		_exit(0);
	}
	CU_ASSERT_FATAL(pid > 0 && waitpid(pid, NULL, 0) == pid);
}

/* Runs @fn as nobody, inside the group: the process. */
static pid_t spawn(const struct cg *group, int (*fn)(int out), int *ret_in)
{
	int fds[2];
	pid_t pid;

	CU_ASSERT_FATAL(!pipe(fds));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(fds[0]);
		if (cg_move(group, 0) < 0 || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			_exit(77);
		_exit(fn(fds[1]));
	}
	CU_ASSERT_FATAL(pid > 0);
	close(fds[1]);
	*ret_in = fds[0];
	return pid;
}

static int reap(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static int connect_raw(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, path, sizeof(path));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The next message, within a minute: its length. */
static ssize_t receive(int fd, struct wire_message *message)
{
	struct timeval limit = {.tv_sec = wait_msec / 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return recv(fd, message, sizeof(*message), 0);
}

/* A client that has been admitted, or -1. */
static int greeted(int *ret_refusal)
{
	struct wire_message hello = {0};
	int fd = connect_raw();

	if (fd < 0)
		return -1;
	if (receive(fd, &hello) == sizeof(hello) && hello.type == WIRE_HELLO && !hello.priority)
		return fd;
	*ret_refusal = hello.priority;
	close(fd);
	return -1;
}

static bool say(int out, char byte)
{
	return write(out, &byte, 1) == 1;
}

static bool heard(int in, char byte)
{
	char got = 0;

	return read(in, &got, 1) == 1 && got == byte;
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 1ul << 24;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	return sc->nr_to_scan;
}

static uint64_t asked(void)
{
	struct shrink_bridge_stats st;

	return shrink_bridge_stats(&st, sizeof(st)) ? 0 : st.asked;
}

static bool await_more(uint64_t before)
{
	for (int msec = 0; msec < wait_msec && asked() <= before; msec += 2)
		nap(2);
	return asked() > before;
}

/* A server without privilege. */
static int server(int out)
{
	struct shrinker *s = shrinker_alloc(0, "served");
	struct shrink_bridge_stats st;
	uint64_t before;

	shrink_conf_set("usage", "off");
	shrink_conf_set("log", "3");
	if (!s || shrink_conf_set("bridge_socket", path) ||
	    shrink_bridge_select(SHRINK_BRIDGE_TRACE))
		return 2;
	s->count_objects = count;
	s->scan_objects = scan;
	if (shrinker_register(s) || shrink_start(0) || shrink_bridge_stats(&st, sizeof(st)))
		return 3;
	if (strcmp(st.means, "helper") || !strstr(st.reason, "bpf: ")) {
		printf("# %s: %s\n", st.means, st.reason);
		return 4;
	}
	if (!say(out, 'r') || !await_more(0))
		return 5;
	/* the helper is ended and started anew */
	before = asked();
	if (!say(out, 'a') || !await_more(before) || !say(out, 'b'))
		return 6;
	shrink_bridge_stats(&st, sizeof(st));
	if (!st.latency_median_nsec || st.latency_max_nsec < st.latency_median_nsec)
		return 7;
	return shrink_stop() ? 8 : 0;
}

static bool readable(int fd, long msec)
{
	struct timeval limit = {.tv_sec = msec / 1000, .tv_usec = msec % 1000 * 1000};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &limit) > 0;
}

/* Presses until the other side has said @byte. */
static bool press_until(const struct cg *group, int in, char byte)
{
	for (int i = 0; i < wait_msec / 100; i++) {
		press(group);
		if (readable(in, 100))
			return heard(in, byte);
	}
	return false;
}

static void test_served(void)
{
	const char *why = begin();
	pid_t pid;
	int in;

	if (why) {
		end();
		SKIP("no helper here: %s", why);
	}
	pid = spawn(&ours, server, &in);
	CU_ASSERT(heard(in, 'r'));
	press(&ours);
	CU_ASSERT(heard(in, 'a'));
	ASSERT_INT(stop_helper(), 0);
	CU_ASSERT(access(path, F_OK) && errno == ENOENT); /* it leaves nothing */
	CU_ASSERT(!start_helper());
	CU_ASSERT(press_until(&ours, in, 'b'));
	ASSERT_INT(reap(pid), 0);
	close(in);
	end();
}

/* Tells what it was told last, when it is told of its own group. */
static int listener(int out)
{
	struct wire_message message;
	int refusal = 0, fd = greeted(&refusal);

	if (fd < 0 || !say(out, 'r'))
		return 2;
	if (receive(fd, &message) != sizeof(message) || message.type != WIRE_EVENT)
		return 3;
	return say(out, 'e') ? 0 : 4;
}

/* This process is in our group, and connected first: whatever the helper tells all, it
 * tells it before the one in the group beside. */
static void test_beside(void)
{
	const char *why = begin();
	int in, fd, refusal = 0;
	pid_t pid;

	if (why) {
		end();
		SKIP("no helper here: %s", why);
	}
	CU_ASSERT_FATAL(!cg_move(&ours, 0));
	fd = greeted(&refusal);
	CU_ASSERT_FATAL(fd >= 0);
	pid = spawn(&beside, listener, &in);
	CU_ASSERT(heard(in, 'r'));
	CU_ASSERT(press_until(&beside, in, 'e'));
	ASSERT_INT(reap(pid), 0);
	CU_ASSERT(!readable(fd, 0));
	/* moved to where is pressed, it is told of that: it is looked up anew */
	CU_ASSERT(!cg_move(&beside, 0));
	for (int i = 0; i < wait_msec / 100 && !readable(fd, 0); i++) {
		press(&beside);
		readable(fd, 100);
	}
	CU_ASSERT(readable(fd, 0));
	close(fd);
	close(in);
	end();
}

/* One user takes what he can get, which is a quarter; and says what nobody asked. */
static int flood(int out)
{
	static int fds[64];
	struct wire_message message;
	int nr = 0, refusal = 0;

	for (int i = 0; i < 64; i++) {
		fds[nr] = greeted(&refusal);
		nr += fds[nr] >= 0;
	}
	if (nr != 4 || refusal != -EUSERS)
		return 2;
	for (int i = 0; i < nr; i++)
		if (send(fds[i], "garbage", 7, MSG_NOSIGNAL) != 7)
			return 3;
	for (int i = 0; i < nr; i++)
		if (receive(fds[i], &message) > 0) /* the end, or reset */
			return 4;
	fds[0] = greeted(&refusal);
	return fds[0] >= 0 && say(out, 'r') ? 0 : 5;
}

/* Does not read for long. */
static int sleeper(int out)
{
	struct wire_message message = {0};
	uint64_t lost = 0;
	int refusal = 0, fd = greeted(&refusal);
	ssize_t n;

	if (fd < 0 || !say(out, 'r'))
		return 2;
	for (int i = 0; i < wait_msec / 50 && !lost; i++) {
		n = recv(fd, &message, sizeof(message), MSG_DONTWAIT);
		if (!n)
			return 0; /* dropped */
		if (n < 0)
			nap(50);
		else
			lost = message.lost;
	}
	return lost ? 0 : 3;
}

static void test_hostile(void)
{
	const char *why = begin();
	int in, in_sleeper, in_listener;
	pid_t pid, pid_listener;

	if (why) {
		end();
		SKIP("no helper here: %s", why);
	}
	pid = spawn(&ours, flood, &in);
	CU_ASSERT(heard(in, 'r'));
	ASSERT_INT(reap(pid), 0);
	close(in);
	/* stopped, it reads nothing; another is told all the same, and it is dropped or
	 * told what it has missed */
	pid = spawn(&ours, sleeper, &in_sleeper);
	CU_ASSERT(heard(in_sleeper, 'r'));
	CU_ASSERT(!kill(pid, SIGSTOP));
	for (int i = 0; i < 40; i++)
		press(&ours);
	pid_listener = spawn(&ours, listener, &in_listener);
	CU_ASSERT(heard(in_listener, 'r'));
	CU_ASSERT(press_until(&ours, in_listener, 'e'));
	ASSERT_INT(reap(pid_listener), 0);
	CU_ASSERT(!kill(pid, SIGCONT));
	for (int i = 0; i < 600 && !waitpid(pid, NULL, WNOHANG | WNOWAIT); i++)
		press(&ours);
	ASSERT_INT(reap(pid), 0);
	close(in_sleeper);
	close(in_listener);
	ASSERT_INT(stop_helper(), 0);
	end();
}

/* A socket that is answered is not taken from whom it is; one left behind is. */
static void test_place(void)
{
	const char *why = begin();
	pid_t first;

	if (why) {
		end();
		SKIP("no helper here: %s", why);
	}
	first = helper;
	CU_ASSERT(start_helper() != NULL);
	CU_ASSERT(reap(helper) == 1);
	helper = first;
	CU_ASSERT(!kill(helper, SIGKILL) && reap(helper) > 1000);
	CU_ASSERT(!access(path, F_OK));
	CU_ASSERT(!start_helper());
	ASSERT_INT(stop_helper(), 0);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"bridged: a process without privilege is served, and finds it again",
		 test_served},
		{"G7: bridged: each is told of its own group only", test_beside},
		{"bridged: who floods, talks or does not read harms nobody", test_hostile},
		{"bridged: its place", test_place},
		{NULL, NULL},
	};
	const char *builddir = getenv("top_builddir"), *other = getenv("BRIDGED");

	if (getenv("WAIT_MSEC"))
		wait_msec = atoi(getenv("WAIT_MSEC"));
	if (other)
		snprintf(program, sizeof(program), "%s", other);
	else
		snprintf(program, sizeof(program), "%s/tools/bridged/shrink-bridged",
			 builddir ? builddir : ".");
	return test_main(argc, argv, "bridged", tests);
}
