// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Loop mode: no thread, one descriptor, and all that happens happens in
 * shrink_dispatch(). What must not be: work that nobody is told of, a descriptor
 * that is readable for nothing, a call that does not end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cache.h"
#include "tests/harness.h"

#define MB (1024UL * 1024)
#define SIZE 1000

static void begin(struct cache *c, unsigned long objects)
{
	CU_ASSERT_EQUAL_FATAL(shrink_start(SHRINK_START_LOOP), 0);
	CU_ASSERT_FATAL(cache_alloc(c, 0, "loop", objects) != NULL);
	c->s->object_size = SIZE;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void end(struct cache *c)
{
	ASSERT_INT(shrink_stop(), 0);
	cache_end(c);
}

static int ready(int msec)
{
	struct pollfd p = {.fd = shrink_get_fd(), .events = POLLIN};

	return poll(&p, 1, msec);
}

/* Until it has nothing to do at once; 0: it went on and on. */
static int settle(void)
{
	for (int i = 0; i < 1000; i++) {
		if (!ready(0))
			return 1;
		CU_ASSERT(shrink_dispatch(0) >= 0);
	}
	return 0;
}

static int nr_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));)
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void refuses(void)
{
	ASSERT_INT(shrink_get_fd(), -ENOTCONN);
	ASSERT_INT(shrink_dispatch(0), -ENOTCONN);
	ASSERT_INT(shrink_start(SHRINK_START_LOOP | SHRINK_START_SIMULATED), -EINVAL);
	sim_begin();
	ASSERT_INT(shrink_get_fd(), -ENOTCONN);
	ASSERT_INT(shrink_dispatch(0), -ENOTCONN);
	sim_end();
}

static void no_thread(void)
{
	int before = nr_threads();
	struct cache c;

	begin(&c, 10000);
	ASSERT_INT(nr_threads(), before);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, MB), 0);
	ASSERT_INT((long)atomic_load(&c.counts), 0); /* not before dispatch */
	ASSERT_INT(ready(5000), 1);
	CU_ASSERT(shrink_dispatch(0) >= (long)(MB / SIZE));
	CU_ASSERT(atomic_load(&c.freed) * SIZE >= MB);
	ASSERT_INT(nr_threads(), before);
	CU_ASSERT(settle());
	end(&c);
	ASSERT_INT(shrink_get_fd(), -ENOTCONN);
}

static unsigned long scan_takes_time(struct cache *c, struct shrink_control *sc)
{
	sleep_ms(2);
	return cache_scan(c, sc);
}

/* Out of its budget after the first batch: readable until all is done. */
static void level_triggered(void)
{
	struct cache c;
	int calls = 0;

	begin(&c, 100000);
	shrink_conf_set("sample_min", "1000000"); /* so that no timer hides a lost wake-up */
	CU_ASSERT(settle());
	c.on_scan = scan_takes_time;
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, MB), 0);
	ASSERT_INT(ready(5000), 1);
	ASSERT_INT(ready(0), 1); /* asking does not change it */
	CU_ASSERT(shrink_dispatch(1) > 0);
	ASSERT_INT((long)atomic_load(&c.scans), 1);
	for (; atomic_load(&c.freed) * SIZE < MB && calls < 100; calls++) {
		ASSERT_INT(ready(0), 1);
		CU_ASSERT(shrink_dispatch(1) >= 0);
	}
	CU_ASSERT(atomic_load(&c.freed) * SIZE >= MB);
	shrink_conf_set("sample_min", "2000");
	end(&c);
}

/* At rest the descriptor is quiet: no more wake-ups than the shortest period. */
static void no_busy_loop(void)
{
	uint64_t begun;
	struct cache c;
	int calls = 0;

	begin(&c, 10000);
	CU_ASSERT(settle());
	for (begun = now_ms(); now_ms() - begun < 300;)
		if (ready(300)) {
			shrink_dispatch(0);
			calls++;
		}
	CU_ASSERT(calls <= 300);
	end(&c);
}

/* Wakes up by itself when a notice expires: there is a timer in it. */
static void timer(void)
{
	uint64_t begun;
	struct cache c;

	begin(&c, 1000);
	ASSERT_INT(shrink_conf_set("pressure_hold", "50"), 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_CRITICAL, 1), 0);
	CU_ASSERT(settle());
	for (begun = now_ms(); shrink_level() > SHRINK_LEVEL_NORMAL && now_ms() - begun < 20000;)
		if (ready(20000))
			shrink_dispatch(0);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	shrink_conf_set("pressure_hold", "5000");
	end(&c);
}

/* As other people's loops do: the descriptor inside an epoll of theirs. */
static void nested_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int outer = epoll_create1(EPOLL_CLOEXEC);
	struct cache c;

	begin(&c, 10000);
	ASSERT_INT(epoll_ctl(outer, EPOLL_CTL_ADD, shrink_get_fd(), &ev), 0);
	CU_ASSERT(settle());
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, MB), 0);
	ASSERT_INT(epoll_wait(outer, &ev, 1, 5000), 1);
	CU_ASSERT(shrink_dispatch(0) > 0);
	close(outer);
	end(&c);
}

static atomic_long from_inside;

static unsigned long scan_dispatches(struct cache *c, struct shrink_control *sc)
{
	atomic_store(&from_inside, shrink_dispatch(0));
	return cache_scan(c, sc);
}

static void from_a_callback(void)
{
	struct cache c;

	begin(&c, 10000);
	c.on_scan = scan_dispatches;
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, MB), 0);
	CU_ASSERT(shrink_dispatch(0) > 0);
	ASSERT_INT(atomic_load(&from_inside), -EDEADLK);
	end(&c);
}

static atomic_int in_scan, go_on;

static unsigned long scan_waits(struct cache *c, struct shrink_control *sc)
{
	atomic_store(&in_scan, 1);
	while (!atomic_load(&go_on))
		sleep_ms(1);
	return cache_scan(c, sc);
}

static void *dispatch_once(void *arg)
{
	*(long *)arg = shrink_dispatch(0);
	return NULL;
}

/* A second dispatch is refused, what another thread cannot do itself wakes the loop,
 * and stop gives a stuck dispatch up without pulling the floor from under it. */
static void another_thread(void)
{
	struct cache c;
	pthread_t t;
	long freed = 0;

	begin(&c, 10000);
	CU_ASSERT(settle());
	c.on_scan = scan_waits;
	atomic_store(&in_scan, 0);
	atomic_store(&go_on, 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, MB), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, dispatch_once, &freed), 0);
	while (!atomic_load(&in_scan))
		sleep_ms(1);
	ASSERT_INT(shrink_dispatch(0), -EBUSY);
	ASSERT_INT(shrink_conf_set("stop_wait", "20"), 0);
	ASSERT_INT(shrink_stop(), -ETIMEDOUT);
	ASSERT_INT(shrink_start(SHRINK_START_LOOP), -EBUSY);
	atomic_store(&go_on, 1);
	pthread_join(t, NULL);
	CU_ASSERT(freed > 0);
	shrink_conf_set("stop_wait", "5000");
	c.on_scan = NULL;
	ASSERT_INT(shrink_start(SHRINK_START_LOOP), 0);
	CU_ASSERT(settle());
	/* without SHRINK_GFP_LOCK it may not call this cache: the loop is told */
	ASSERT_INT(shrink_reclaim(MB, 0, 0), 0);
	ASSERT_INT(ready(5000), 1);
	CU_ASSERT(shrink_dispatch(0) > 0);
	end(&c);
}

/* The child is passive, and its descriptors are gone; it may start its own. */
static int child(void)
{
	if (shrink_get_fd() != -ENOTCONN || shrink_dispatch(0) != -ENOTCONN)
		return 1;
	if (shrink_start(SHRINK_START_LOOP) < 0)
		return 2;
	if (shrink_pressure(SHRINK_LEVEL_MEDIUM, MB) < 0 || ready(5000) != 1)
		return 3;
	if (shrink_dispatch(0) <= 0)
		return 4;
	return shrink_stop() ? 5 : 0;
}

static int in_child(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(child());
	waitpid(pid, &status, 0);
	return status;
}

static int status_inside = -1;

static unsigned long scan_forks(struct cache *c, struct shrink_control *sc)
{
	pid_t pid = fork();

	if (pid > 0)
		waitpid(pid, &status_inside, 0);
	else if (!pid)
		atomic_store(&c->mine, 1); /* returns into a dispatch of the parent's */
	return cache_scan(c, sc);
}

static void forks(void)
{
	struct cache c;
	long r;

	begin(&c, 100000);
	ASSERT_INT(in_child(), 0);
	c.on_scan = scan_forks;
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, 1), 0);
	fflush(stdout);
	r = shrink_dispatch(0);
	if (atomic_load(&c.mine)) { /* the child made inside the scan */
		c.on_scan = NULL;
		_exit(r < 0 ? 9 : child());
	}
	ASSERT_INT(status_inside, 0);
	end(&c);
}

static void starts_and_stops(void)
{
	int before = open("/dev/null", O_RDONLY), after;
	struct cache c;

	CU_ASSERT_FATAL(cache_alloc(&c, 0, "loop", 1000) != NULL);
	ASSERT_INT(shrinker_register(c.s), 0);
	for (int i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL_FATAL(shrink_start(SHRINK_START_LOOP), 0);
		shrink_dispatch(0);
		ASSERT_INT(shrink_stop(), 0);
	}
	after = open("/dev/null", O_RDONLY);
	ASSERT_INT(after, before + 1); /* no descriptor was left */
	close(before);
	close(after);
	cache_end(&c);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"loop: refused where it was not started so", refuses},
		{"loop: no thread, and nothing happens before dispatch", no_thread},
		{"loop: readable until the work is done", level_triggered},
		{"loop: quiet at rest", no_busy_loop},
		{"loop: readable when it is time", timer},
		{"loop: inside another epoll", nested_epoll},
		{"loop: not from a callback", from_a_callback},
		{"loop: a second thread, and a dispatch that hangs", another_thread},
		{"G10: loop: fork outside and inside of dispatch", forks},
		{"loop: start and stop leave nothing", starts_and_stops},
		{NULL, NULL},
	};

	return test_main(argc, argv, "loop", tests);
}
