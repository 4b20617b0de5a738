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
#include <libshrink/reclaim/engine-priv.h>
#include <libshrink/reclaim/queue.h>

#define CHORES 4 /* different ones that can wait */

struct shrink_engine shrink_engine = {.lock = PTHREAD_MUTEX_INITIALIZER};
static pthread_cond_t ended; /* a worker is not alive any more; made at start */
static void (*chores[CHORES])(void);
static void (*done_hook)(void);
static void (*post_hook)(void);

void shrink_engine_post(const struct shrink_goal *goal)
{
	void (*posted)(void);

	pthread_mutex_lock(&shrink_engine.lock);
	shrink_queue_add(goal);
	if (shrink_leader()->alive)
		pthread_cond_signal(&shrink_leader()->wake);
	posted = post_hook;
	pthread_mutex_unlock(&shrink_engine.lock);
	if (posted)
		posted();
}

static uint64_t run(const struct shrink_goal *goal, struct shrink_ticker *ticker,
		    struct shrink_round *rec)
{
	uint64_t refused, freed = 0;

	rec->end_nsec = rec->freed_objects = 0;

	if (!shrink_gate_enter())
		return 0;
	freed = shrink_round_run(goal, ticker, rec, &refused);
	shrink_gate_exit();
	if (!goal->probe)
		shrink_backoff_learn(rec, freed);
	pthread_mutex_lock(&shrink_engine.lock);
	shrink_engine.stats.rounds += rec->end_nsec != 0; /* 0: there was nothing to do */
	pthread_mutex_unlock(&shrink_engine.lock);
	return freed;
}

/* Cut short by whoever ran it, not by its own time: what was asked stays asked. What
 * the gauges want they say again. */
static void keep_rest(struct shrink_goal *goal, uint64_t freed, uint64_t own)
{
	goal->bytes = shrink_sub_u64(goal->bytes, freed);
	goal->deadline = own;
	if (!goal->bytes && !goal->visit)
		return;
	pthread_mutex_lock(&shrink_engine.lock);
	shrink_queue_add(goal);
	pthread_mutex_unlock(&shrink_engine.lock);
}

uint64_t shrink_engine_run_pending(uint64_t deadline)
{
	struct shrink_goal goal;
	struct shrink_round rec = {0};
	uint64_t freed, own;
	bool any;

	pthread_mutex_lock(&shrink_engine.lock);
	any = shrink_queue_take(&goal);
	pthread_mutex_unlock(&shrink_engine.lock);
	if (any) {
		own = goal.deadline;
		if (deadline && (!own || deadline < own))
			goal.deadline = deadline;
		freed = run(&goal, NULL, &rec);
		if (goal.deadline != own && rec.end == SHRINK_ROUND_DEADLINE)
			keep_rest(&goal, freed, own);
		shrink_memcg_put(goal.memcg);
	}
	return rec.freed_objects;
}

/* Lock held. */
static void (*take_chore(void))(void)
{
	for (int i = 0; i < CHORES; i++) {
		void (*chore)(void) = chores[i];

		chores[i] = NULL;
		if (chore)
			return chore;
	}
	return NULL;
}

static void forget_chores(void)
{
	while (take_chore())
		;
}

void shrink_engine_run_chore(void)
{
	void (*chore)(void);

	do {
		pthread_mutex_lock(&shrink_engine.lock);
		chore = take_chore();
		pthread_mutex_unlock(&shrink_engine.lock);
		if (chore)
			chore();
	} while (chore);
}

/* Lock held on entry and exit. */
static void lead(struct shrink_worker *w)
{
	void (*done)(void) = done_hook;
	struct shrink_round rec;

	if (!shrink_queue_take(&w->goal))
		return;
	w->busy = true;
	pthread_mutex_unlock(&shrink_engine.lock);
	run(&w->goal, &w->ticker, &rec);
	if (done && !(w->goal.visit && !rec.end_nsec)) /* a mere count changes nothing */
		done();
	pthread_mutex_lock(&shrink_engine.lock);
	w->busy = false;
	shrink_memcg_put(w->goal.memcg);
	w->goal.memcg = NULL;
}

static bool wanted(void)
{
	bool yes;

	pthread_mutex_lock(&shrink_engine.lock);
	yes = shrink_queue_any() || shrink_engine.stopping;
	pthread_mutex_unlock(&shrink_engine.lock);
	return yes;
}

/* Lock held on entry and exit: what idle objects there are may go, as long as
 * nothing else is to be done. False: it was not time. */
static bool age(struct shrink_worker *w)
{
	if (shrink_age_next() > shrink_os_clock())
		return false;
	w->busy = w->ageing = true;
	pthread_mutex_unlock(&shrink_engine.lock);
	shrink_age_turn(&w->ticker, wanted);
	pthread_mutex_lock(&shrink_engine.lock);
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
	pthread_mutex_lock(&shrink_engine.lock);
	if (shrink_leader()->alive)
		pthread_cond_signal(&shrink_leader()->wake);
	pthread_mutex_unlock(&shrink_engine.lock);
}

/* Lock held on entry and exit: the standby's work, all of it interruptible only
 * by its own end, so a takeover may wait for it some tens of ms at the worst. */
static bool stand_by(void)
{
	void (*chore)(void) = take_chore();

	if (!chore && !shrink_registry_limbo())
		return false;
	pthread_mutex_unlock(&shrink_engine.lock);
	if (chore)
		chore();
	shrink_registry_drain(true);
	pthread_mutex_lock(&shrink_engine.lock);
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
	struct shrink_worker *w = arg;
	int me = (int)(w - shrink_engine.workers);

	warm_up();
	pthread_mutex_lock(&shrink_engine.lock);
	while (!shrink_engine.stopping && !w->given_up) {
		if (shrink_engine.leader == me && shrink_queue_any())
			lead(w);
		else if (shrink_engine.leader == me ? !age(w) : !stand_by())
			shrink_os_cond_wait(&w->wake, &shrink_engine.lock,
					    shrink_engine.leader == me ? age_wait() : UINT64_MAX);
		if (shrink_engine.leader != me)
			atomic_store(&w->ticker.lost, 0);
	}
	w->alive = false;
	w->given_up = false;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&shrink_engine.lock);
	return NULL;
}

static int start_one(int i, const char *name)
{
	struct shrink_worker *w = &shrink_engine.workers[i];
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

void shrink_engine_reset(void (*posted)(void))
{
	pthread_mutex_lock(&shrink_engine.lock);
	shrink_engine.leader = 0;
	shrink_engine.stopping = false;
	shrink_queue_clear();
	forget_chores();
	post_hook = posted;
	shrink_backoff_reset();
	pthread_mutex_unlock(&shrink_engine.lock);
	shrink_takeover_reset();
}

int shrink_engine_start(void)
{
	int r;

	r = shrink_os_cond_init(&ended);
	if (r < 0)
		return r;
	shrink_engine_reset(NULL);
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
static int end_one(struct shrink_worker *w, uint64_t end)
{
	uint64_t now;
	bool hangs;

	pthread_mutex_lock(&shrink_engine.lock);
	while (w->alive && (now = shrink_os_clock_real()) < end)
		shrink_os_cond_wait(&ended, &shrink_engine.lock, (end - now) / NSEC_PER_USEC + 1);
	hangs = w->given_up = w->alive;
	pthread_mutex_unlock(&shrink_engine.lock);
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
	bool was[SHRINK_WORKERS];
	int r = 0;

	end = shrink_min_u64(end, INT64_MAX);
	pthread_mutex_lock(&shrink_engine.lock);
	shrink_engine.stopping = true;
	shrink_queue_clear();
	for (int i = 0; i < SHRINK_WORKERS; i++) {
		was[i] = shrink_engine.workers[i].alive;
		if (was[i])
			pthread_cond_signal(&shrink_engine.workers[i].wake);
	}
	pthread_mutex_unlock(&shrink_engine.lock);
	for (int i = 0; i < SHRINK_WORKERS; i++)
		if (was[i] && end_one(&shrink_engine.workers[i], end) < 0)
			r = -ETIMEDOUT;
	return r;
}

bool shrink_engine_hangs(void)
{
	bool hangs = false;

	pthread_mutex_lock(&shrink_engine.lock);
	for (int i = 0; i < SHRINK_WORKERS; i++)
		hangs |= shrink_engine.workers[i].given_up;
	pthread_mutex_unlock(&shrink_engine.lock);
	return hangs;
}

bool shrink_engine_works(void)
{
	bool works;

	pthread_mutex_lock(&shrink_engine.lock);
	works = shrink_leader()->alive && (shrink_queue_any() || shrink_leader()->busy);
	pthread_mutex_unlock(&shrink_engine.lock);
	return works;
}

bool shrink_engine_busy(void)
{
	bool busy;

	pthread_mutex_lock(&shrink_engine.lock);
	busy = shrink_queue_any() || shrink_leader()->busy;
	pthread_mutex_unlock(&shrink_engine.lock);
	return busy;
}

void shrink_engine_chore(void (*chore)(void))
{
	int i = 0;

	pthread_mutex_lock(&shrink_engine.lock);
	while (i < CHORES - 1 && chores[i] && chores[i] != chore)
		i++;
	chores[i] = chore;
	if (shrink_standby()->alive)
		pthread_cond_signal(&shrink_standby()->wake);
	pthread_mutex_unlock(&shrink_engine.lock);
}

bool shrink_engine_has_standby(void)
{
	bool alive;

	pthread_mutex_lock(&shrink_engine.lock);
	alive = shrink_standby()->alive;
	pthread_mutex_unlock(&shrink_engine.lock);
	return alive;
}

void shrink_engine_poke(void)
{
	if (!shrink_registry_limbo())
		return;
	pthread_mutex_lock(&shrink_engine.lock);
	if (shrink_standby()->alive)
		pthread_cond_signal(&shrink_standby()->wake);
	pthread_mutex_unlock(&shrink_engine.lock);
}

void shrink_engine_on_done(void (*done)(void))
{
	done_hook = done;
}

struct shrink_engine_stats shrink_engine_stats(void)
{
	struct shrink_engine_stats copy;

	pthread_mutex_lock(&shrink_engine.lock);
	copy = shrink_engine.stats;
	pthread_mutex_unlock(&shrink_engine.lock);
	copy.direct = shrink_direct_calls();
	return copy;
}

void shrink_engine_fork_prepare(void)
{
	pthread_mutex_lock(&shrink_engine.lock);
}

void shrink_engine_fork_parent(void)
{
	pthread_mutex_unlock(&shrink_engine.lock);
}

void shrink_engine_fork_child(void)
{
	for (int i = 0; i < SHRINK_WORKERS; i++) {
		struct shrink_worker *w = &shrink_engine.workers[i];

		w->alive = w->busy = w->ageing = w->given_up = false;
		shrink_memcg_put(w->goal.memcg); /* it was in a round of a group */
		w->goal.memcg = NULL;
	}
	shrink_queue_clear();
	forget_chores();
	post_hook = NULL;
	pthread_mutex_unlock(&shrink_engine.lock);
}
