// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/rcu.h>
#include <libshrink/lru/age.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/thread.h>
#include <libshrink/reclaim/backoff.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/memcg-goals.h>

#define WORKERS 2

struct worker {
	pthread_t thread;
	pthread_cond_t wake;
	struct shrink_ticker ticker;
	bool alive;              /* the thread runs, under the engine lock */
	bool busy;               /* in a round, or ageing */
	bool ageing;             /* no goal to hand over */
	bool given_up;           /* by stop: ends by itself when its callback returns */
	struct shrink_goal goal; /* the round it is in, to hand over */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct worker workers[WORKERS];
static pthread_cond_t ended; /* a worker is not alive any more; made at start */
static int leader;
static bool stopping;
static bool pending;
static struct shrink_goal pending_goal;
static void (*pending_chore)(void);
static void (*done_hook)(void);

static struct shrink_engine_stats stats;

/* monitor only */
static struct {
	int leader;
	uint64_t ticks, since;
} watched;

/* The rest under the lock. */
static void add_goal(const struct shrink_goal *goal)
{
	if (goal->memcg) {
		shrink_memcg_goals_add(goal);
		return;
	}
	if (pending)
		shrink_goal_merge(&pending_goal, goal);
	else
		pending_goal = *goal;
	pending = true;
}

static bool any_goal(void)
{
	return pending || shrink_memcg_goals_any();
}

/* The process before its groups. */
static bool take_goal(struct shrink_goal *ret_goal)
{
	if (!pending)
		return shrink_memcg_goals_take(ret_goal);
	*ret_goal = pending_goal;
	pending = false;
	return true;
}

static void drop_goals(void)
{
	pending = false;
	shrink_memcg_goals_clear();
}

void shrink_engine_post(const struct shrink_goal *goal)
{
	pthread_mutex_lock(&lock);
	add_goal(goal);
	if (workers[leader].alive)
		pthread_cond_signal(&workers[leader].wake);
	pthread_mutex_unlock(&lock);
}

static uint64_t run(const struct shrink_goal *goal, struct shrink_ticker *ticker, uint64_t *objects)
{
	struct shrink_round rec = {0};
	uint64_t refused, freed = 0;

	if (!shrink_gate_enter())
		return 0;
	freed = shrink_round_run(goal, ticker, &rec, &refused);
	shrink_gate_exit();
	shrink_backoff_learn(&rec, freed);
	pthread_mutex_lock(&lock);
	stats.rounds += rec.end_nsec != 0; /* 0: there was nothing to do */
	pthread_mutex_unlock(&lock);
	if (objects)
		*objects = rec.freed_objects;
	return freed;
}

uint64_t shrink_engine_run_pending(void)
{
	struct shrink_goal goal;
	uint64_t objects = 0;
	bool any;

	pthread_mutex_lock(&lock);
	any = take_goal(&goal);
	pthread_mutex_unlock(&lock);
	if (any) {
		run(&goal, NULL, &objects);
		shrink_memcg_put(goal.memcg);
	}
	shrink_registry_drain(true);
	return objects;
}

/* Lock held on entry and exit. */
static void lead(struct worker *w)
{
	void (*done)(void) = done_hook;

	if (!take_goal(&w->goal))
		return;
	w->busy = true;
	pthread_mutex_unlock(&lock);
	run(&w->goal, &w->ticker, NULL);
	if (done)
		done();
	pthread_mutex_lock(&lock);
	w->busy = false;
	shrink_memcg_put(w->goal.memcg);
	w->goal.memcg = NULL;
}

static bool wanted(void)
{
	bool yes;

	pthread_mutex_lock(&lock);
	yes = any_goal() || stopping;
	pthread_mutex_unlock(&lock);
	return yes;
}

/* Lock held on entry and exit: what idle objects there are may go, as long as
 * nothing else is to be done. False: it was not time. */
static bool age(struct worker *w)
{
	if (shrink_age_next() > shrink_os_clock())
		return false;
	w->busy = w->ageing = true;
	pthread_mutex_unlock(&lock);
	shrink_age_turn(&w->ticker, wanted);
	pthread_mutex_lock(&lock);
	w->busy = w->ageing = false;
	return true;
}

/* Microseconds until objects age. */
static uint64_t age_wait(void)
{
	uint64_t next = shrink_age_next(), now = shrink_os_clock();

	return next == UINT64_MAX ? next : shrink_sub_u64(next, now) / NSEC_PER_USEC + 1;
}

static void age_changed(void)
{
	pthread_mutex_lock(&lock);
	if (workers[leader].alive)
		pthread_cond_signal(&workers[leader].wake);
	pthread_mutex_unlock(&lock);
}

/* Lock held on entry and exit: the standby's work, all of it interruptible only
 * by its own end, so a takeover may wait for it some tens of ms at the worst. */
static bool stand_by(void)
{
	void (*chore)(void) = pending_chore;

	if (!chore && !shrink_registry_limbo())
		return false;
	pending_chore = NULL;
	pthread_mutex_unlock(&lock);
	if (chore)
		chore();
	shrink_registry_drain(true);
	pthread_mutex_lock(&lock);
	return true;
}

/* So that the first round neither faults nor allocates (G6). */
static void warm_up(void)
{
	shrink_os_thread_warm_stack();
	shrink_os_thread_be_prompt();
	shrink_rcu_read_lock();
	shrink_rcu_read_unlock();
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int me = (int)(w - workers);

	warm_up();
	pthread_mutex_lock(&lock);
	while (!stopping && !w->given_up) {
		if (leader == me && any_goal())
			lead(w);
		else if (leader == me ? !age(w) : !stand_by())
			shrink_os_cond_wait(&w->wake, &lock,
					    leader == me ? age_wait() : UINT64_MAX);
		if (leader != me)
			atomic_store(&w->ticker.lost, 0);
	}
	w->alive = false;
	w->given_up = false;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static int start_one(int i, const char *name)
{
	struct worker *w = &workers[i];
	int r;

	memset(&w->ticker, 0, sizeof(w->ticker));
	w->busy = false;
	r = shrink_os_cond_init(&w->wake);
	if (r < 0)
		return r;
	w->alive = true;
	r = shrink_os_thread_create(&w->thread, name, work, w);
	if (r < 0)
		w->alive = false;
	return r;
}

int shrink_engine_start(void)
{
	int r;

	r = shrink_os_cond_init(&ended);
	if (r < 0)
		return r;
	pthread_mutex_lock(&lock);
	leader = 0;
	stopping = false;
	drop_goals();
	shrink_backoff_reset();
	pthread_mutex_unlock(&lock);
	watched.leader = -1;
	shrink_registry_on_limbo(shrink_engine_poke);
	shrink_age_on_change(age_changed);
	r = start_one(0, "shrink-worker");
	if (r < 0)
		return r;
	r = start_one(1, "shrink-standby");
	if (r < 0)
		shrink_engine_stop(UINT64_MAX);
	return r;
}

/* 0: it has ended; -ETIMEDOUT: it is left to itself. @end on the real clock. */
static int end_one(struct worker *w, uint64_t end)
{
	uint64_t now;
	bool hangs;

	pthread_mutex_lock(&lock);
	while (w->alive && (now = shrink_os_clock_real()) < end)
		shrink_os_cond_wait(&ended, &lock, (end - now) / NSEC_PER_USEC + 1);
	hangs = w->given_up = w->alive;
	pthread_mutex_unlock(&lock);
	if (hangs) {
		pthread_detach(w->thread);
		return -ETIMEDOUT;
	}
	pthread_join(w->thread, NULL); /* it has only its return left */
	return 0;
}

int shrink_engine_stop(uint64_t usec)
{
	uint64_t end =
		shrink_add_u64(shrink_os_clock_real(), shrink_mul_div(usec, NSEC_PER_USEC, 1));
	bool was[WORKERS];
	int r = 0;

	end = shrink_min_u64(end, INT64_MAX);
	pthread_mutex_lock(&lock);
	stopping = true;
	drop_goals();
	for (int i = 0; i < WORKERS; i++) {
		was[i] = workers[i].alive;
		if (was[i])
			pthread_cond_signal(&workers[i].wake);
	}
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < WORKERS; i++)
		if (was[i] && end_one(&workers[i], end) < 0)
			r = -ETIMEDOUT;
	return r;
}

bool shrink_engine_hangs(void)
{
	bool hangs = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < WORKERS; i++)
		hangs |= workers[i].given_up;
	pthread_mutex_unlock(&lock);
	return hangs;
}

bool shrink_engine_busy(void)
{
	bool busy;

	pthread_mutex_lock(&lock);
	busy = any_goal() || workers[leader].busy;
	pthread_mutex_unlock(&lock);
	return busy;
}

/* The token changes hands, and with it the goal. */
static void take_over(struct worker *w, struct shrinker_impl *s, uint64_t since, uint64_t now)
{
	char name[SHRINK_NAME_MAX + 16];
	bool taken = false;

	pthread_mutex_lock(&lock);
	if (&workers[leader] == w && w->busy && !workers[!leader].busy &&
	    workers[!leader].alive && shrink_ticker_lose(&w->ticker, s)) {
		leader = !leader;
		if (!w->ageing)
			add_goal(&w->goal);
		taken = true;
		shrink_round_unclaim(&w->ticker);
		stats.overruns++;
		pthread_cond_signal(&workers[leader].wake);
	}
	pthread_mutex_unlock(&lock);
	if (!taken)
		return;
	shrinker_get_name(&s->pub, name, sizeof(name));
	shrink_warn("%s: its callback runs for %llu ms; the standby goes on with the other "
		    "shrinkers, this one is left out until it returns", name,
		    (unsigned long long)((now - since) / NSEC_PER_MSEC));
}

void shrink_engine_watch(uint64_t now)
{
	struct worker *w;
	struct shrinker_impl *s;
	uint64_t ticks;
	int lead_now;

	pthread_mutex_lock(&lock);
	lead_now = leader;
	w = workers[leader].busy ? &workers[leader] : NULL;
	pthread_mutex_unlock(&lock);
	ticks = w ? atomic_load_explicit(&w->ticker.ticks, memory_order_relaxed) : 0;
	if (!w || watched.leader != lead_now || watched.ticks != ticks) {
		watched.leader = lead_now;
		watched.ticks = ticks;
		watched.since = now;
		return;
	}
	if (now - watched.since < SHRINK_TUN(overrun) * NSEC_PER_MSEC)
		return;
	/* As a walk, so that the shrinker it is in cannot go away under us */
	if (!shrink_gate_enter())
		return;
	s = atomic_load(&w->ticker.current);
	if (s)
		take_over(w, s, watched.since, now);
	shrink_gate_exit();
}

void shrink_engine_chore(void (*chore)(void))
{
	pthread_mutex_lock(&lock);
	pending_chore = chore;
	if (workers[!leader].alive)
		pthread_cond_signal(&workers[!leader].wake);
	pthread_mutex_unlock(&lock);
}

void shrink_engine_poke(void)
{
	if (!shrink_registry_limbo())
		return;
	pthread_mutex_lock(&lock);
	if (workers[!leader].alive)
		pthread_cond_signal(&workers[!leader].wake);
	pthread_mutex_unlock(&lock);
}

void shrink_engine_on_done(void (*done)(void))
{
	done_hook = done;
}

struct shrink_engine_stats shrink_engine_stats(void)
{
	struct shrink_engine_stats copy;

	pthread_mutex_lock(&lock);
	copy = stats;
	pthread_mutex_unlock(&lock);
	copy.direct = shrink_direct_calls();
	return copy;
}

void shrink_engine_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_engine_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

void shrink_engine_fork_child(void)
{
	for (int i = 0; i < WORKERS; i++)
		workers[i].alive = workers[i].busy = workers[i].ageing =
			workers[i].given_up = false;
	drop_goals();
	pending_chore = NULL;
	pthread_mutex_unlock(&lock);
}
