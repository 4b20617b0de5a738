// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A process with a session of /dev/shrink, for shell tests: does what it is told on
 * standard input, one command a line, and answers with one line.
 *
 *	open                           ok | error TEXT
 *	register NAME FLAGS SEEKS BATCH   index=N
 *	unregister INDEX               ok
 *	count INDEX NID N              ok: that many objects are there from now on
 *	bind INDEX CPU                 nid=N: bound by a thread on that processor
 *	read                           objects=N nid=N seq=N index=N, or none
 *	answer INDEX NID SEQ FREED     ok
 *	stats INDEX                    counts=N scans=N scanned=N posted=N freed=N owed=N
 *	serve MSEC                     answered=N requests=N: all, by freeing what is asked
 *	garble INDEX MSEC              ok: anything at all in the shared page, for so long
 *	many                           registered=N ERROR of the next
 *	fork                           what a child gets of read, register and the page
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shrink/bridge-abi.h>

typedef unsigned long long ull;

static int fd = -1;
static volatile struct shrink_bridge_page *pages[SHRINK_BRIDGE_CACHES];

static void say_error(void)
{
	printf("error %s\n", strerror(errno));
}

static void say(int r)
{
	if (r < 0)
		say_error();
	else
		puts("ok");
}

static int map(unsigned int index)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(index * size));

	if (p == MAP_FAILED)
		return -1;
	pages[index] = p;
	return 0;
}

static int enroll(const char *name, unsigned int flags, unsigned int seeks, unsigned int batch)
{
	struct shrink_bridge_register reg = {.flags = flags, .seeks = seeks, .batch = batch};

	snprintf(reg.name, sizeof(reg.name), "%s", name);
	if (ioctl(fd, SHRINK_BRIDGE_REGISTER, &reg) < 0)
		return -1;
	return map(reg.ret_index) < 0 ? -1 : (int)reg.ret_index;
}

static void do_register(char **w)
{
	int index = enroll(w[1], (unsigned int)atoi(w[2]), (unsigned int)atoi(w[3]),
			   (unsigned int)atoi(w[4]));

	if (index < 0)
		say_error();
	else
		printf("index=%d\n", index);
}

static void do_bind(unsigned int index, size_t cpu)
{
	struct shrink_bridge_bind bind = {.index = index};
	cpu_set_t set, before;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_getaffinity(0, sizeof(before), &before);
	sched_setaffinity(0, sizeof(set), &set);
	if (ioctl(fd, SHRINK_BRIDGE_BIND, &bind) < 0)
		say_error();
	else
		printf("nid=%u\n", bind.ret_nid);
	sched_setaffinity(0, sizeof(before), &before);
}

static void do_read(void)
{
	struct shrink_bridge_request req;

	if (read(fd, &req, sizeof(req)) == sizeof(req))
		printf("objects=%llu nid=%u seq=%llu index=%u\n", (ull)req.objects, req.nid,
		       (ull)req.seq, req.index);
	else if (errno == EAGAIN)
		puts("none");
	else
		say_error();
}

static int reply(unsigned int index, unsigned int nid, uint64_t seq, uint64_t freed)
{
	struct shrink_bridge_result res = {
		.seq = seq,
		.freed = freed,
		.index = index,
		.nid = nid,
	};

	return write(fd, &res, sizeof(res)) == sizeof(res) ? 0 : -1;
}

static void do_stats(unsigned int index)
{
	struct shrink_bridge_cache_stats st = {.index = index};

	if (ioctl(fd, SHRINK_BRIDGE_STATS, &st) < 0)
		say_error();
	else
		printf("counts=%llu scans=%llu scanned=%llu posted=%llu freed=%llu owed=%llu\n",
		       (ull)st.counts, (ull)st.scans, (ull)st.scanned, (ull)st.posted,
		       (ull)st.freed, (ull)st.owed);
}

static uint64_t now_msec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void do_serve(uint64_t msec)
{
	uint64_t end = now_msec() + msec, answered = 0, requests = 0;

	while (now_msec() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		struct shrink_bridge_request req;

		if (poll(&p, 1, 50) <= 0 || read(fd, &req, sizeof(req)) != sizeof(req))
			continue;
		pages[req.index]->count[req.nid] -= req.objects;
		if (reply(req.index, req.nid, req.seq, req.objects) < 0)
			break;
		answered += req.objects;
		requests++;
	}
	printf("answered=%llu requests=%llu\n", (ull)answered, (ull)requests);
}

static void do_garble(unsigned int index, uint64_t msec)
{
	static const uint64_t bad[] = {UINT64_MAX, UINT64_MAX - 1, 1ULL << 63, 0, 1, INT64_MAX};
	uint64_t end = now_msec() + msec, x = 88172645463325252ULL;

	while (now_msec() < end)
		for (int i = 0; i < 4096; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			pages[index]->count[i % SHRINK_BRIDGE_NODES] =
				i % 3 ? x : bad[x % (sizeof(bad) / sizeof(bad[0]))];
		}
	say(0);
}

static void do_many(void)
{
	int n = 0;

	errno = 0;
	while (n < 100000 && enroll("many", SHRINK_BRIDGE_NUMA, 2, 0) >= 0)
		n++;
	printf("registered=%d %s\n", n, strerror(errno));
}

/* Does a child have the page? It would end by a signal if not. */
static int child_touches(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		pages[0]->count[0] = 12345;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status);
}

static void do_fork(void)
{
	struct shrink_bridge_request req;
	int touches = child_touches();

	fflush(stdout);
	if (!fork()) {
		int r = read(fd, &req, sizeof(req)) < 0 ? errno : 0;
		int e = enroll("child", 0, 2, 0) < 0 ? errno : 0;

		printf("read=%d register=%d page=%d\n", r == EPERM, e == EPERM, touches);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void obey(char *line)
{
	char *w[6] = {0}, *save = NULL;
	int n = 0;

	for (char *p = strtok_r(line, " \n", &save); p && n < 6; p = strtok_r(NULL, " \n", &save))
		w[n++] = p;
	if (n == 1 && !strcmp(w[0], "open"))
		say(fd = open("/dev/shrink", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	else if (n == 5 && !strcmp(w[0], "register"))
		do_register(w);
	else if (n == 2 && !strcmp(w[0], "unregister"))
		say(ioctl(fd, SHRINK_BRIDGE_UNREGISTER, strtoul(w[1], NULL, 0)));
	else if (n == 4 && !strcmp(w[0], "count") && pages[atoi(w[1])])
		pages[atoi(w[1])]->count[atoi(w[2])] = strtoull(w[3], NULL, 0), say(0);
	else if (n == 3 && !strcmp(w[0], "bind"))
		do_bind((unsigned int)atoi(w[1]), strtoul(w[2], NULL, 0));
	else if (n == 1 && !strcmp(w[0], "read"))
		do_read();
	else if (n == 5 && !strcmp(w[0], "answer"))
		say(reply((unsigned int)atoi(w[1]), (unsigned int)atoi(w[2]),
			  strtoull(w[3], NULL, 0), strtoull(w[4], NULL, 0)));
	else if (n == 2 && !strcmp(w[0], "stats"))
		do_stats((unsigned int)atoi(w[1]));
	else if (n == 2 && !strcmp(w[0], "serve"))
		do_serve(strtoull(w[1], NULL, 0));
	else if (n == 3 && !strcmp(w[0], "garble") && pages[atoi(w[1])])
		do_garble((unsigned int)atoi(w[1]), strtoull(w[2], NULL, 0));
	else if (n == 1 && !strcmp(w[0], "many"))
		do_many();
	else if (n == 1 && !strcmp(w[0], "fork"))
		do_fork();
	else
		puts("error what?");
}

int main(void)
{
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
