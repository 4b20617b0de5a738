// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The library's threads: slow callbacks delay nobody (G4), what threads are (G13). */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cache.h"
#include "tests/harness.h"
#include "tests/tasks.h"

#define MB (1024UL * 1024)

/* ---- tasks of this process, as the kernel shows them */

struct task {
	int tid;
	char name[17];
	unsigned long long blocked;
	int sched_policy;
	int processors;
};

static int read_text(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return -1;
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
	return 0;
}

static void read_task(int tid, struct task *t)
{
	char path[64], text[4096], *line;
	cpu_set_t set;

	*t = (struct task){.tid = tid};
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	if (!read_text(path, text, sizeof(text)))
		snprintf(t->name, sizeof(t->name), "%.*s", (int)strcspn(text, "\n"), text);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	if (!read_text(path, text, sizeof(text)) && (line = strstr(text, "SigBlk:")))
		t->blocked = strtoull(line + 7, NULL, 16);
	t->sched_policy = sched_getscheduler(tid);
	if (!sched_getaffinity(tid, sizeof(set), &set))
		t->processors = CPU_COUNT(&set);
}

/* Tasks whose name begins with @prefix. */
static int find_tasks(const char *prefix, struct task *tasks, int max)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	while (dir && (e = readdir(dir)) && n < max) {
		int tid = atoi(e->d_name);

		if (!tid)
			continue;
		read_task(tid, &tasks[n]);
		n += !strncmp(tasks[n].name, prefix, strlen(prefix));
	}
	if (dir)
		closedir(dir);
	return n;
}

static int named(const struct task *tasks, int n, const char *name)
{
	int found = 0;

	for (int i = 0; i < n; i++)
		found += !strcmp(tasks[i].name, name);
	return found;
}

static void names_and_signals(void)
{
	/* all but SIGKILL, SIGSTOP and the two that the C library keeps (32, 33) */
	const unsigned long long all = 0xfffffffe7ffbfeffULL;
	struct task tasks[8];
	int n;

	ASSERT_INT(find_tasks("shrink-", tasks, 8), 0);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3)); /* each undoes what it inherited as it begins */
	n = find_tasks("shrink-", tasks, 8);
	ASSERT_INT(n, 3);
	ASSERT_INT(named(tasks, n, "shrink-monitor"), 1);
	ASSERT_INT(named(tasks, n, "shrink-worker"), 1);
	ASSERT_INT(named(tasks, n, "shrink-standby"), 1);
	for (int i = 0; i < n; i++)
		CU_ASSERT((tasks[i].blocked & all) == all);
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(find_tasks("shrink-", tasks, 8), 0);
}

static void affinity_is_not_inherited(void)
{
	cpu_set_t before, one;
	struct task tasks[8];
	size_t first;
	int n;

	sched_getaffinity(0, sizeof(before), &before);
	if (CPU_COUNT(&before) < 2)
		SKIP("one processor only");
	for (first = 0; !CPU_ISSET(first, &before); first++)
		;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	ASSERT_INT(sched_setaffinity(0, sizeof(one), &one), 0);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	CU_ASSERT(tasks_settle(3)); /* each undoes what it inherited as it begins */
	n = find_tasks("shrink-", tasks, 8);
	for (int i = 0; i < n; i++)
		ASSERT_INT(tasks[i].processors, CPU_COUNT(&before));
	ASSERT_INT(n, 3);
	ASSERT_INT(shrink_stop(), 0);
	sched_setaffinity(0, sizeof(before), &before);
}

static void realtime_is_not_inherited(void)
{
	struct sched_param fifo = {.sched_priority = 1}, other = {0};
	struct task tasks[8];
	int n;

	if (sched_setscheduler(0, SCHED_FIFO, &fifo) < 0)
		SKIP("SCHED_FIFO: %s", strerror(errno));
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	sched_setscheduler(0, SCHED_OTHER, &other);
	CU_ASSERT(tasks_settle(3)); /* each undoes what it inherited as it begins */
	n = find_tasks("shrink-", tasks, 8);
	for (int i = 0; i < n; i++)
		ASSERT_INT(tasks[i].sched_policy, SCHED_OTHER);
	ASSERT_INT(n, 3);
	ASSERT_INT(shrink_stop(), 0);
}

/* ---- callbacks run on workers, never on the monitor */

static atomic_ulong on_workers, elsewhere;

static unsigned long scan_notes_thread(struct cache *c, struct shrink_control *sc)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	if (!strcmp(name, "shrink-worker") || !strcmp(name, "shrink-standby"))
		atomic_fetch_add(&on_workers, 1);
	else
		atomic_fetch_add(&elsewhere, 1);
	return cache_scan(c, sc);
}

static void new_sized(struct cache *c, const char *name, unsigned long objects)
{
	CU_ASSERT_FATAL(cache_alloc(c, 0, name, objects) != NULL);
	c->s->object_size = 1000;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void callbacks_run_on_workers(void)
{
	struct cache c;

	CU_ASSERT_FATAL(shrink_start(0) == 0);
	new_sized(&c, "where", 100000);
	c.on_scan = scan_notes_thread;
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, MB), 0);
	CU_ASSERT(wait_for(&on_workers, 1, 5000));
	sleep_ms(50);
	ASSERT_INT((long)atomic_load(&elsewhere), 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	cache_end(&c);
	ASSERT_INT(shrink_stop(), 0);
}

/* ---- G4 */

/* The first scan does not return before it is let. */
static atomic_ulong let_go;

static unsigned long scan_hangs(struct cache *c, struct shrink_control *sc)
{
	if (!atomic_fetch_add(&c->mine, 1))
		wait_for(&let_go, 1, 0);
	return cache_scan(c, sc);
}

static void new_hanging(struct cache *c)
{
	atomic_store(&let_go, 0);
	CU_ASSERT_FATAL(cache_alloc(c, 0, "sleeper", 1000000) != NULL);
	c->s->object_size = 1000;
	c->on_scan = scan_hangs;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void let_it_go(struct cache *c)
{
	ASSERT_INT(atomic_load(&c->inside), 1); /* nothing so far has waited for it */
	atomic_store(&let_go, 1);
	for (int i = 0; i < 10000 && atomic_load(&c->inside); i++)
		sleep_ms(2);
	ASSERT_INT(atomic_load(&c->inside), 0);
}

static struct shrink_stats engine_stats(void)
{
	struct shrink_stats st = {0};

	ASSERT_INT(shrink_stats(&st, sizeof(st)), 0);
	return st;
}

/* A standby takes over after the tunable overrun, and says so. */
static int wait_for_overrun(uint64_t before)
{
	for (int i = 0; i < 10000 && !log_count("sleeper"); i++)
		sleep_ms(2);
	return engine_stats().overruns > before;
}

static void register_and_free_some(void)
{
	for (int i = 0; i < 50; i++) {
		struct cache c;

		cache_new(&c, "passing", 10);
		cache_end(&c);
		sleep_ms(1);
	}
}

/* A scan that hangs: others are pressed on by the standby, the sleeper is left out
 * until it returns, and is a shrinker like any other afterwards. */
static void check_overrun(unsigned int more_ms)
{
	uint64_t overruns;
	struct cache sleeper, other;
	unsigned long counts;

	log_begin();
	ASSERT_INT(shrink_conf_set("overrun", "50"), 0);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	overruns = engine_stats().overruns;
	new_hanging(&sleeper);
	new_sized(&other, "other", 1000000);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 20 * MB), 0);
	CU_ASSERT_FATAL(wait_for(&sleeper.scans, 1, 0));
	/* the other may have been asked first, so that it was says nothing of the standby */
	CU_ASSERT(wait_for_overrun(overruns));
	CU_ASSERT(wait_for(&other.scans, 1, 0));
	ASSERT_INT(log_count("sleeper"), 1);
	register_and_free_some();

	counts = atomic_load(&sleeper.counts);
	atomic_store(&other.scans, 0);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 5 * MB), 0);
	CU_ASSERT(wait_for(&other.scans, 1, 0));
	sleep_ms(more_ms);
	ASSERT_INT((long)atomic_load(&sleeper.counts), (long)counts); /* left out */
	ASSERT_INT(log_count("sleeper"), 1);

	let_it_go(&sleeper);
	atomic_store(&sleeper.scans, 0);
	for (int i = 0; i < 200 && !atomic_load(&sleeper.scans); i++) {
		ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 20 * MB), 0);
		sleep_ms(50);
	}
	CU_ASSERT(atomic_load(&sleeper.scans) > 0); /* takes part again */
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	cache_end(&sleeper);
	cache_end(&other);
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(shrink_conf_set("overrun", "200"), 0);
	log_end();
}

static void overrun_briefly(void)
{
	check_overrun(0);
}

static void overrun_long(void)
{
	check_overrun(1500); /* many turns of the monitor */
}

static void *free_sleeper(void *arg)
{
	struct cache *c = arg;

	shrinker_free(c->s);
	ASSERT_INT(atomic_load(&c->inside), 0);
	atomic_store(&c->forbidden, 1);
	return NULL;
}

/* Its own free waits for it, and only its own. */
static void freed_while_stuck(void)
{
	struct cache sleeper, other;
	pthread_t freer;

	ASSERT_INT(shrink_conf_set("overrun", "50"), 0);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	new_hanging(&sleeper);
	new_sized(&other, "other", 1000000);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 20 * MB), 0);
	CU_ASSERT_FATAL(wait_for(&sleeper.scans, 1, 0));
	pthread_create(&freer, NULL, free_sleeper, &sleeper);
	CU_ASSERT(wait_for(&other.scans, 1, 0));
	atomic_store(&let_go, 1);
	pthread_join(freer, NULL);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 5 * MB), 0);
	sleep_ms(50);
	ASSERT_INT((long)atomic_load(&sleeper.violations), 0);
	cache_end(&other);
	ASSERT_INT(shrink_stop(), 0);
	ASSERT_INT(shrink_conf_set("overrun", "200"), 0);
}

static void stop_gives_up_a_stuck_thread(void)
{
	struct cache sleeper;

	log_begin();
	ASSERT_INT(shrink_conf_set("stop_wait", "100"), 0);
	CU_ASSERT_FATAL(shrink_start(0) == 0);
	new_hanging(&sleeper);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 20 * MB), 0);
	CU_ASSERT_FATAL(wait_for(&sleeper.scans, 1, 0));
	ASSERT_INT(shrink_stop(), -ETIMEDOUT);
	ASSERT_INT(shrink_start(0), -EBUSY);
	let_it_go(&sleeper);
	for (int i = 0; i < 10000 && tasks_list(NULL, 0); i++)
		sleep_ms(2); /* the thread that was given up ends by itself */
	ASSERT_INT((long)atomic_load(&sleeper.scans), 1); /* passive since */
	ASSERT_INT(shrink_start(0), 0);
	ASSERT_INT(shrink_stop(), 0);
	cache_end(&sleeper);
	ASSERT_INT(shrink_conf_set("stop_wait", "5000"), 0);
	log_end();
}

static void register_never_waits_for_a_walk(void)
{
	struct cache sleeper;

	CU_ASSERT_FATAL(shrink_start(0) == 0);
	new_hanging(&sleeper);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_LOW, 20 * MB), 0);
	CU_ASSERT_FATAL(wait_for(&sleeper.scans, 1, 0));
	register_and_free_some();
	let_it_go(&sleeper);
	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_NORMAL, 0), 0);
	cache_end(&sleeper);
	ASSERT_INT(shrink_stop(), 0);
}

/* ---- a deadline, in real time */

static unsigned long scan_5ms(struct cache *c, struct shrink_control *sc)
{
	CU_ASSERT(sc->deadline_nsec != 0);
	CU_ASSERT(sc->deadline_nsec <= shrink_clock() + 60 * 1000000ULL);
	sleep_ms(5);
	return cache_scan(c, sc);
}

static void direct_ends_at_its_deadline(void)
{
	uint64_t begin, took;
	struct cache c;

	CU_ASSERT_FATAL(shrink_start(0) == 0);
	new_sized(&c, "slow", 1000000);
	c.on_scan = scan_5ms;
	begin = now_ms();
	CU_ASSERT(shrink_reclaim(500 * MB, SHRINK_GFP_ALL, 50000) > 0);
	took = now_ms() - begin;
	CU_ASSERT(took >= 45 && took < 30000);
	CU_ASSERT(atomic_load(&c.scans) <= 12);
	cache_end(&c);
	ASSERT_INT(shrink_stop(), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G13: three named threads that block all signals", names_and_signals},
		{"G13: affinity is not inherited", affinity_is_not_inherited},
		{"G13: real-time policy is not inherited", realtime_is_not_inherited},
		{"G4: callbacks run on workers, never on the monitor", callbacks_run_on_workers},
		{"G4: a scan that hangs", overrun_briefly},
		{"G4: a scan that hangs for long", overrun_long},
		{"G4: freed while its callback is stuck", freed_while_stuck},
		{"G4: stop gives up a stuck thread", stop_gives_up_a_stuck_thread},
		{"G4: register and free do not wait for others' callbacks",
		 register_never_waits_for_a_walk},
		{"G8: direct reclaim ends at its deadline", direct_ends_at_its_deadline},
		{NULL, NULL},
	};

	return test_main(argc, argv, "threads", tests);
}
