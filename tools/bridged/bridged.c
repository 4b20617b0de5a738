// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * shrink-bridged: follows the kernel's reclaim for processes that may not do it themselves,
 * and tells each of its own memory group. One thread, one epoll, no memory after start.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <libshrink/bridge/follow-load.h>
#include <libshrink/bridge/wire.h>

#include "tools/bridged/clients.h"
#include "tools/bridged/whose.h"
#include "tools/number.h"

/* Data of descriptors in the epoll; clients have theirs. */
#define ON_LISTENER (CLIENTS_DATA_MAX + 0)
#define ON_SIGNAL   (CLIENTS_DATA_MAX + 1)
#define ON_TIMER    (CLIENTS_DATA_MAX + 2)
#define ON_RING	    (CLIENTS_DATA_MAX + 3)

static struct {
	const char *path;
	bool inherited; /* the socket is the service manager's */
	int clients;
	unsigned int patience;
	mode_t mode;
} conf = {.path = WIRE_SOCKET, .clients = 256, .patience = 60, .mode = 0666};

static struct shrink_bpf bpf;
static int epoll;

static int die(const char *what, int err)
{
	fprintf(stderr, "shrink-bridged: %s: %s\n", what, strerror(-err));
	return 1;
}

static int on_event(void *arg, void *record, size_t size)
{
	(void)arg;
	if (size >= sizeof(struct follow_event))
		clients_tell(record);
	return 0;
}

static int add_group(uint64_t group)
{
	return shrink_follow_add(&bpf, group);
}

static void remove_group(uint64_t group)
{
	shrink_follow_remove(&bpf, group);
}

static int watch(int fd, uint64_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

	if (fd < 0)
		return -errno;
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* One that is left over from somebody who was killed is in the way; one that is
 * answered is not ours to take. */
static int clear_path(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!lstat(address->sun_path, &st)) {
		if (!S_ISSOCK(st.st_mode) ||
		    !connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			r = -EADDRINUSE;
		else if (unlink(address->sun_path) < 0)
			r = -errno;
	}
	close(fd);
	return r;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (!strcmp(path, WIRE_SOCKET))
		(void)mkdir("/run/libshrink", 0755);
	r = clear_path(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, conf.mode) < 0 || listen(fd, 64) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* The service manager may have it: LISTEN_FDS(3 and on), for this process. */
static int get_listener(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || atoi(pid) != (int)getpid() || atoi(fds) != 1)
		return listen_at(conf.path);
	conf.inherited = true;
	return 3;
}

static int get_timer(void)
{
	struct itimerspec every = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

static int get_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Two for each client, and what we have besides. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < 2 * (rlim_t)conf.clients + 64)
		conf.clients = limit.rlim_cur > 80 ? (int)(limit.rlim_cur - 64) / 2 : 8;
}

static int number(const char *text, int min, int max, int base)
{
	uint64_t n = 0;

	if (!number_parse(text, base, (uint64_t)min, (uint64_t)max, &n)) {
		fprintf(stderr, "shrink-bridged: %s: not from %d to %d\n", text, min, max);
		exit(2);
	}
	return (int)n;
}

static void parse(int argc, char **argv)
{
	static const char usage[] =
		"usage: shrink-bridged [-s SOCKET] [-m MODE] [-c CLIENTS] [-p SECONDS]\n";
	int opt;

	while ((opt = getopt(argc, argv, "s:m:c:p:h")) != -1) {
		switch (opt) {
		case 's':
			conf.path = optarg;
			break;
		case 'm':
			conf.mode = (mode_t)number(optarg, 0, 0777, 8);
			break;
		case 'c':
			conf.clients = number(optarg, 1, CLIENTS_MAX, 10);
			break;
		case 'p':
			conf.patience = (unsigned int)number(optarg, 1, 86400, 10);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* False: it is time to go. */
static bool take(uint64_t what, int listener, int timer)
{
	uint64_t ticks;

	switch (what) {
	case ON_LISTENER:
		clients_accept(listener);
		return true;
	case ON_SIGNAL:
		return false;
	case ON_TIMER:
		if (read(timer, &ticks, sizeof(ticks)) == sizeof(ticks))
			clients_tick();
		return true;
	case ON_RING:
		shrink_bpf_consume(&bpf);
		return true;
	default:
		clients_ready(what);
		return true;
	}
}

static void serve(int listener, int timer)
{
	struct epoll_event events[64];
	bool on = true;

	while (on) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++)
			on &= take(events[i].data.u64, listener, timer);
	}
}

static int start(int *ret_listener, int *ret_timer)
{
	const struct clients_options options = {conf.clients, conf.patience, add_group,
						remove_group};
	int r = watch(*ret_timer = get_timer(), ON_TIMER);

	if (!r)
		r = watch(get_signals(), ON_SIGNAL);
	if (!r)
		r = watch(shrink_bpf_fd(&bpf), ON_RING);
	if (!r)
		r = clients_init(epoll, &options);
	if (r < 0)
		return die("cannot start", r);
	*ret_listener = r = get_listener();
	if (r < 0)
		return die(conf.path, r);
	r = watch(r, ON_LISTENER);
	return r < 0 ? die("cannot listen", r) : 0;
}

int main(int argc, char **argv)
{
	char reason[160] = "";
	int r, listener = -1, timer = -1;

	parse(argc, argv);
	raise_limit();
	r = whose_init();
	if (r < 0)
		return die("no memory controller is mounted here", r);
	r = shrink_follow_load(&bpf, CLIENTS_MAX, on_event, NULL, reason, sizeof(reason));
	if (r < 0) {
		fprintf(stderr, "shrink-bridged: %s\n", reason);
		return 1;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	r = start(&listener, &timer);
	if (!r) {
		printf("listening at %s%s%s\n", conf.inherited ? "what was handed over" : conf.path,
		       *reason ? "; " : "", reason);
		fflush(stdout);
		serve(listener, timer);
		clients_close();
		if (!conf.inherited)
			unlink(conf.path);
	}
	shrink_bpf_close(&bpf);
	return r;
}
