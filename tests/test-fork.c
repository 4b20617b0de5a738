// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* G10: fork. The child inherits none of the application's locks from us, has no
 * thread of ours, closes only what is ours, and can start again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_URCU_TEST
#include <urcu/urcu-bp.h>
#endif

#include "tests/cache.h"
#include "tests/child.h"
#include "tests/harness.h"
#include "tests/tasks.h"

#define MB (1024UL * 1024)
#define FDS 256

/* Runs @child in a forked process; its exit status, -1 if it did not exit within
 * a minute. @ret_ms: how long fork() took. */
static int in_child(int (*child)(void *arg), void *arg, uint64_t *ret_ms)
{
	uint64_t begin = now_ms(), end;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(child(arg));
	if (ret_ms)
		*ret_ms = now_ms() - begin;
	for (end = now_ms() + 60000; now_ms() < end; sleep_ms(2))
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* ---- locks */

struct locked {
	pthread_mutex_t lock;
	unsigned int hold_ms;    /* after the fork has begun */
	atomic_ulong *hold_till; /* or until this is set */
};

/* Set as a fork begins: prepare handlers run last registered first, so this one,
 * registered when the library has its own, runs before it waits. */
static atomic_ulong fork_begun;

static void say_begun(void)
{
	atomic_store(&fork_begun, 1);
}

static void watch_forks(void)
{
	static int watching;

	if (!watching++)
		CU_ASSERT_FATAL(!pthread_atfork(say_begun, NULL, NULL));
	atomic_store(&fork_begun, 0);
}

static unsigned long scan_holds_lock(struct cache *c, struct shrink_control *sc)
{
	struct locked *l = c->arg;

	pthread_mutex_lock(&l->lock);
	if (!atomic_fetch_add(&c->mine, 1)) {
		if (l->hold_ms && wait_for(&fork_begun, 1, 20000))
			sleep_ms(l->hold_ms);
		if (l->hold_till)
			wait_for(l->hold_till, 1, 20000);
	}
	pthread_mutex_unlock(&l->lock);
	return cache_scan(c, sc);
}

static int lock_is_free(void *arg)
{
	struct locked *l = arg;

	EXPECT(pthread_mutex_trylock(&l->lock) == 0);
	return 0;
}

static void begin_locked(struct cache *c, struct locked *l)
{
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3)); /* a sanitizer's malloc is not safe to fork amid */
	watch_forks();
	CU_ASSERT_FATAL(cache_alloc(c, 0, "locked", 1000000) != NULL);
	c->s->object_size = 1000;
	c->on_scan = scan_holds_lock;
	c->arg = l;
	ASSERT_INT(shrinker_register(c->s), 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, MB), 0);
	CU_ASSERT_FATAL(wait_for(&c->scans, 1, 20000));
}

static void end_locked(struct cache *c)
{
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	cache_end(c);
	ASSERT_INT(shrink_stop(), 0);
}

/* The callback has the lock when the fork begins, and for a while after. */
static void waits_for_a_callback(void)
{
	struct locked l = {.lock = PTHREAD_MUTEX_INITIALIZER, .hold_ms = 100};
	struct cache c;
	uint64_t ms;

	ASSERT_INT(shrink_conf_set("fork_wait", "60000"), 0);
	begin_locked(&c, &l);
	ASSERT_INT(in_child(lock_is_free, &l, &ms), 0);
	CU_ASSERT(ms >= 90 && ms < 30000);
	end_locked(&c);
	ASSERT_INT(shrink_conf_set("fork_wait", "1000"), 0);
}

static int always(void *arg)
{
	(void)arg;
	return 0;
}

/* The callback does not end before the fork has returned. */
static void waits_no_longer_than_allowed(void)
{
	atomic_ulong returned = 0;
	struct locked l = {.lock = PTHREAD_MUTEX_INITIALIZER, .hold_till = &returned};
	struct cache c;
	uint64_t ms;

	ASSERT_INT(shrink_conf_set("fork_wait", "100"), 0);
	begin_locked(&c, &l);
	ASSERT_INT(in_child(always, NULL, &ms), 0);
	CU_ASSERT(ms >= 90);
	ASSERT_INT(atomic_load(&c.inside), 1);
	atomic_store(&returned, 1);
	end_locked(&c);
	ASSERT_INT(shrink_conf_set("fork_wait", "1000"), 0);
}

/* Many forks while rounds run all the time: never is the lock held in a child. */
static void never_inherits_a_lock(void)
{
	struct locked l = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct cache c;

	ASSERT_INT(shrink_conf_set("fork_wait", "60000"), 0);
	begin_locked(&c, &l);
	for (int i = 0; i < 40; i++) {
		atomic_store(&c.objects, 1000000);
		shrink_pressure(SHRINK_LEVEL_LOW, 300 * MB);
		sleep_ms(1);
		ASSERT_INT(in_child(lock_is_free, &l, NULL), 0);
	}
	end_locked(&c);
	ASSERT_INT(shrink_conf_set("fork_wait", "1000"), 0);
}

/* ---- what the child has */

struct table {
	struct stat st[FDS];
	int open[FDS];
};

static void list_fds(struct table *t)
{
	memset(t, 0, sizeof(*t));
	for (int fd = 0; fd < FDS; fd++)
		t->open[fd] = fstat(fd, &t->st[fd]) == 0;
}

static struct table at_begin; /* of main() */
static int ours_kept[FDS];    /* open between stop and start all the same */

struct inherited {
	struct table before, after; /* start */
	struct cache *c;
	int replaced; /* a number that was the library's, now the program's */
};

static int only_ours_are_closed(void *arg)
{
	struct inherited *in = arg;
	struct stat st;

	EXPECT(tasks_list(NULL, 0) == 0);
	for (int fd = 0; fd < FDS; fd++) {
		if ((in->before.open[fd] && !ours_kept[fd]) || fd == in->replaced)
			EXPECT(fstat(fd, &st) == 0);
		else if (in->after.open[fd])
			EXPECT(fstat(fd, &st) < 0 && errno == EBADF);
	}
	return 0;
}

/* A descriptor of ours on a file of its own: its number can be proven void. */
static int pick_file(const struct inherited *in)
{
	for (int fd = 0; fd < FDS; fd++)
		if (in->after.open[fd] && !in->before.open[fd] && S_ISREG(in->after.st[fd].st_mode))
			return fd;
	return -1;
}

static void closes_only_ours(void)
{
	static struct inherited in;
	int file;

	SKIP_TSAN(); /* nor that looking at another thread's descriptor is no race */
	/* the library keeps one file open over stop: have that behind us */
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3)); /* descriptors that come and go have gone */
	list_fds(&in.after);
	ASSERT_INT(shrink_stop(), 0);
	list_fds(&in.before);
	for (int fd = 0; fd < FDS; fd++)
		ours_kept[fd] = in.before.open[fd] && in.after.open[fd] && !at_begin.open[fd];
	in = (struct inherited){.replaced = -1};
	list_fds(&in.before);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3)); /* descriptors that come and go have gone */
	list_fds(&in.after);
	ASSERT_INT(in_child(only_ours_are_closed, &in, NULL), 0);

	in.replaced = pick_file(&in);
	CU_ASSERT_FATAL(in.replaced >= 0);
	file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(file, in.replaced); /* the program has taken the number over */
	close(file);
	ASSERT_INT(in_child(only_ours_are_closed, &in, NULL), 0);
	ASSERT_INT(shrink_stop(), 0);
	list_fds(&in.after);
	for (int fd = 0; fd < FDS; fd++)
		if (fd != in.replaced)
			ASSERT_INT(in.after.open[fd], in.before.open[fd]); /* nothing leaks */
}

static int passive_until_started(void *arg)
{
	struct cache *c = arg;

	EXPECT(tasks_list(NULL, 0) == 0);
	atomic_store(&c->scans, 0);
	atomic_store(&c->counts, 0);
	EXPECT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0) == 0);
	EXPECT(shrink_reclaim(MB, SHRINK_GFP_ALL, 0) == -ENOTCONN);
	EXPECT(shrink_pressure(SHRINK_LEVEL_LOW, MB) == -ENOTCONN);
	EXPECT(shrink_stop() == -EALREADY);
	EXPECT(atomic_load(&c->counts) == 0);
	EXPECT(shrink_start(0) == 0); /* its shrinkers are still registered */
	EXPECT(tasks_settle(3));
	EXPECT(shrink_pressure(SHRINK_LEVEL_LOW, MB) == 0);
	EXPECT(wait_for(&c->scans, 1, 20000));
	EXPECT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 4) > 0);
	shrinker_free(c->s);
	EXPECT(shrink_stop() == 0);
	return 0;
}

/* It takes the parent's threads for the child's, and their ids for used. */

static void starts_again_in_the_child(void)
{
	struct cache c;

	SKIP_TSAN();
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3));
	CU_ASSERT_FATAL(cache_alloc(&c, 0, "child", 1000000) != NULL);
	c.s->object_size = 1000;
	ASSERT_INT(shrinker_register(c.s), 0);
	ASSERT_INT(in_child(passive_until_started, &c, NULL), 0);
	ASSERT_INT((long)atomic_load(&c.scans), 0);
	/* and the parent goes on: its epoll is untouched */
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, MB), 0);
	CU_ASSERT(wait_for(&c.scans, 1, 20000));
	cache_end(&c);
	ASSERT_INT(shrink_stop(), 0);
}

static void never_started(void)
{
	struct cache c;

	CU_ASSERT_FATAL(cache_alloc(&c, 0, "never", 1000000) != NULL);
	c.s->object_size = 1000;
	ASSERT_INT(shrinker_register(c.s), 0);
	ASSERT_INT(in_child(passive_until_started, &c, NULL), 0);
	cache_end(&c);
}

static int simulated_child(void *arg)
{
	struct cache *c = arg;

	EXPECT(shrink_sim_step(1) == -ENOTCONN);
	EXPECT(shrink_start(SHRINK_START_SIMULATED) == 0);
	EXPECT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0) > 0);
	shrinker_free(c->s);
	EXPECT(shrink_stop() == 0);
	return 0;
}

static void simulated(void)
{
	struct cache c;

	sim_begin();
	cache_new(&c, "sim", 1000);
	ASSERT_INT(in_child(simulated_child, &c, NULL), 0);
	CU_ASSERT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0) > 0);
	cache_end(&c);
	sim_end();
}

/* ---- forking from inside */

static int scan_child_status;

static int inside_child(void *arg)
{
	struct cache *c = arg;

	EXPECT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0) == 0);
	EXPECT(atomic_load(&c->inside) == 1);
	return 0;
}

static unsigned long scan_forks(struct cache *c, struct shrink_control *sc)
{
	if (!atomic_fetch_add(&c->mine, 1))
		scan_child_status = in_child(inside_child, c, NULL);
	return cache_scan(c, sc);
}

static void from_inside_a_callback(void)
{
	struct cache c;
	uint64_t begin = now_ms();

	ASSERT_INT(shrink_conf_set("fork_wait", "60000"), 0);
	sim_begin();
	cache_new(&c, "forks", 1000);
	c.on_scan = scan_forks;
	scan_child_status = -2;
	CU_ASSERT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 2) > 0);
	ASSERT_INT(scan_child_status, 0);
	CU_ASSERT(now_ms() - begin < 50000); /* does not wait for itself */
	ASSERT_INT(shrink_conf_set("fork_wait", "1000"), 0);
	cache_end(&c);
	sim_end();
}

/* The callback forks and both sides return from it: the child's walk ends. */
static pid_t returning_child;

static unsigned long scan_forks_and_returns(struct cache *c, struct shrink_control *sc)
{
	if (!atomic_fetch_add(&c->mine, 1)) {
		fflush(stdout);
		returning_child = fork();
	}
	return cache_scan(c, sc);
}

static int after_returning(struct cache *c, struct cache *next)
{
	EXPECT(atomic_load(&c->scans) == 1); /* no further batch, no further shrinker */
	EXPECT(atomic_load(&next->counts) == 0);
	EXPECT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0) == 0);
	EXPECT(shrink_start(SHRINK_START_SIMULATED) == 0);
	EXPECT(shrink_slab(SHRINK_GFP_ALL, 0, NULL, 0) > 0);
	shrinker_free(c->s);
	shrinker_free(next->s);
	EXPECT(shrink_stop() == 0);
	return 0;
}

static void child_returns_from_the_callback(void)
{
	struct cache c, next;
	int status;

	sim_begin();
	cache_new(&c, "forks", 1000);
	cache_new(&next, "next", 1000);
	c.on_scan = scan_forks_and_returns;
	returning_child = -1;
	shrink_slab(SHRINK_GFP_ALL, 0, NULL, 2);
	if (!returning_child)
		_exit(after_returning(&c, &next));
	CU_ASSERT_FATAL(returning_child > 0);
	waitpid(returning_child, &status, 0);
	CU_ASSERT(WIFEXITED(status));
	ASSERT_INT(WEXITSTATUS(status), 0);
	ASSERT_INT((long)atomic_load(&c.scans), 3);
	ASSERT_INT((long)atomic_load(&next.scans), 3);
	cache_end(&c);
	cache_end(&next);
	sim_end();
}

/* ---- owners */

struct owned {
	struct shrink_owner *owner;
	struct cache *c;
	int parent_fd;
};

static int owner_child(void *arg)
{
	struct owned *o = arg;
	struct pollfd p;

	EXPECT(shrink_owner_run(o->owner, 0) == 0); /* passive, and nothing is asked */
	EXPECT(shrink_start(0) == 0);
	EXPECT(shrinker_set_count(o->c->s, 0, atomic_load(&o->c->objects), 0) == 0);
	EXPECT(shrink_pressure(SHRINK_LEVEL_LOW, MB) == 0);
	p = (struct pollfd){.fd = shrink_owner_fd(o->owner), .events = POLLIN};
	EXPECT(p.fd >= 0 && poll(&p, 1, 20000) == 1);
	EXPECT(shrink_owner_run(o->owner, 0) > 0);
	EXPECT(shrink_stop() == 0);
	shrinker_free(o->c->s);
	EXPECT(shrink_owner_destroy(o->owner) == 0);
	return 0;
}

static void owners_in_the_child(void)
{
	struct cache c;
	struct owned o = {.owner = shrink_owner_create(), .c = &c};
	struct pollfd p = {.fd = shrink_owner_fd(o.owner), .events = POLLIN};

	SKIP_TSAN();
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3));
	CU_ASSERT_FATAL(cache_alloc(&c, 0, "owned", 100000) != NULL);
	c.s->object_size = 1000;
	c.s->owner = o.owner;
	ASSERT_INT(shrinker_register(c.s), 0);
	ASSERT_INT(shrinker_set_count(c.s, 0, 100000, 0), 0);
	ASSERT_INT(shrink_conf_set("owner_deadline", "60000"), 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, MB), 0);
	ASSERT_INT(poll(&p, 1, 20000), 1);
	ASSERT_INT(in_child(owner_child, &o, NULL), 0);
	ASSERT_INT(poll(&p, 1, 0), 1); /* the parent's request is still there */
	CU_ASSERT(shrink_owner_run(o.owner, 0) > 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	cache_end(&c);
	ASSERT_INT(shrink_owner_destroy(o.owner), 0);
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(shrink_conf_set("owner_deadline", "100"), 0);
}

/* ---- beside another user of the same RCU */

#if defined(HAVE_URCU_TEST) && !defined(__SANITIZE_THREAD__)
static atomic_ulong reader_quit;

static void *read_for_ever(void *arg)
{
	(void)arg;
	while (!atomic_load(&reader_quit)) {
		urcu_bp_read_lock();
		sleep_ms(1);
		urcu_bp_read_unlock();
	}
	return NULL;
}

/* As that user should: its child has no ghosts of the parent's readers. */
static int polite;

static void rcu_before(void)
{
	if (polite)
		urcu_bp_before_fork();
}

static void rcu_parent(void)
{
	if (polite)
		urcu_bp_after_fork_parent();
}

static void rcu_child_after(void)
{
	if (polite)
		urcu_bp_after_fork_child();
}

static atomic_ulong other_freed;

static unsigned long scan_till_freed(struct cache *c, struct shrink_control *sc)
{
	wait_for(&other_freed, 1, 20000);
	return cache_scan(c, sc);
}

/* Memory of freed shrinkers waits for readers: not for those of the parent. */
static int limbo_is_emptied(void)
{
	struct shrink_stats st = {0};
	struct cache slow, other;

	EXPECT(cache_alloc(&slow, 0, "slow", 1000000) != NULL);
	slow.s->object_size = 1000;
	slow.on_scan = scan_till_freed;
	atomic_store(&other_freed, 0);
	EXPECT(shrinker_register(slow.s) == 0);
	EXPECT(shrink_start(0) == 0);
	EXPECT(shrink_pressure(SHRINK_LEVEL_LOW, MB) == 0);
	EXPECT(wait_for(&slow.scans, 1, 20000));
	EXPECT(cache_alloc(&other, 0, "other", 1) != NULL);
	EXPECT(shrinker_register(other.s) == 0);
	shrinker_free(other.s); /* a walk runs: to limbo, and maybe out of it at once */
	atomic_store(&other_freed, 1);
	EXPECT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0) == 0);
	EXPECT(shrink_stats(&st, sizeof(st)) == 0);
	for (int i = 0; i < 2000 && st.limbo; i++) {
		sleep_ms(10);
		shrink_stats(&st, sizeof(st));
	}
	EXPECT(st.limbo == 0);
	EXPECT(shrink_stop() == 0);
	shrinker_free(slow.s);
	return 0;
}

static int rcu_child(void *arg)
{
	if (polite) {
		urcu_bp_read_lock();
		urcu_bp_read_unlock();
		urcu_bp_synchronize_rcu(); /* hangs if it waits for the parent's readers */
	}
	return passive_until_started(arg) || limbo_is_emptied();
}

static void beside_another_rcu_user(void)
{
	pthread_t reader;
	struct cache c;

	atomic_store(&reader_quit, 0);
	pthread_atfork(rcu_before, rcu_parent, rcu_child_after);
	pthread_create(&reader, NULL, read_for_ever, NULL);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3));
	CU_ASSERT_FATAL(cache_alloc(&c, 0, "rcu", 1000000) != NULL);
	c.s->object_size = 1000;
	ASSERT_INT(shrinker_register(c.s), 0);
	for (int i = 0; i < 10; i++) {
		polite = i % 2;
		ASSERT_INT(in_child(rcu_child, &c, NULL), 0);
	}
	atomic_store(&reader_quit, 1);
	pthread_join(reader, NULL);
	cache_end(&c);
	ASSERT_INT(shrink_stop(), 0);
}
#else
static void beside_another_rcu_user(void)
{
	SKIP("built without a second user of liburcu-bp, or with ThreadSanitizer");
}
#endif

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G10: fork waits for a callback that holds a lock", waits_for_a_callback},
		{"G10: but no longer than configured", waits_no_longer_than_allowed},
		{"G10: no child ever inherits a callback's lock", never_inherits_a_lock},
		{"G10: the child closes only what is ours", closes_only_ours},
		{"G10: the child is passive, and starts again", starts_again_in_the_child},
		{"G10: forked before any start", never_started},
		{"G10: forked from a simulation", simulated},
		{"G10: forked from inside a callback", from_inside_a_callback},
		{"G10: the child returns from the callback", child_returns_from_the_callback},
		{"G10: owners in the child", owners_in_the_child},
		{"G10: beside another user of urcu-bp", beside_another_rcu_user},
		{NULL, NULL},
	};

	list_fds(&at_begin);
	return test_main(argc, argv, "fork", tests);
}
