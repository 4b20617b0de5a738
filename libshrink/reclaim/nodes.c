// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/rcu.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/numa.h>
#include <libshrink/os/thread.h>
#include <libshrink/reclaim/node-read.h>
#include <libshrink/reclaim/nodes.h>

/* A worker sleeps no longer, in case another gets stuck in between. */
#define LOST_LOOK_USEC 1000000

struct place {
	struct shrink_node node; /* its worker's, or the turning thread's */
	bool served;
	pthread_t thread;
	pthread_cond_t wake;
	struct shrink_ticker ticker; /* of its worker */
	/* under the lock: */
	bool alive, given_up;
	bool lost;               /* its worker is stuck in a callback */
	bool busy;               /* somebody serves it now */
	int server;              /* whose worker does: its own, but for a stuck one */
	/* monitor only: */
	uint64_t ticks, since;
};

/* Guards threads' flags; held for moments. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended;
static struct place places[SHRINK_NODES_MAX];
static _Atomic int nr_served;
static bool stopping;
static _Atomic uint64_t rounds, overruns;
static _Atomic uint64_t parked; /* a bit for each node */

/* Without memory, or without watermarks, there is nothing to serve. */
static bool worth_serving(int nid)
{
	struct shrink_node_reading r;

	return !shrink_node_read(nid, &r) && r.managed && r.low;
}

static void open_nodes(void)
{
	for (int nid = 0; nid < shrink_core_nr_nodes(); nid++) {
		struct place *p = &places[nid];

		memset(p, 0, sizeof(*p));
		p->served = worth_serving(nid);
		nr_served += p->served;
	}
}

int shrink_nodes_open(int (*simulated)(int nid, struct shrink_node_reading *ret))
{
	if (nr_served && !simulated && !shrink_node_read_simulated())
		return nr_served; /* open: the process may not be able to open it again */
	shrink_nodes_close();
	if (!SHRINK_TUN(node_workers) || shrink_core_nr_nodes() < 2)
		return 0;
	if (shrink_node_read_open(simulated) >= 0)
		open_nodes();
	if (nr_served < 2)
		shrink_nodes_close();
	return nr_served;
}

void shrink_nodes_close(void)
{
	for (int nid = 0; nid < SHRINK_NODES_MAX && nr_served; nid++)
		places[nid].served = false;
	shrink_node_read_close();
	nr_served = 0;
	atomic_store(&parked, 0);
}

int shrink_nodes_served(void)
{
	return nr_served;
}

/* Between batches: bytes until above high, and what is in use there. */
static uint64_t need(const struct shrink_goal *goal, uint64_t *ret_used)
{
	struct shrink_node_reading r;

	*ret_used = 0;
	if (shrink_node_read(goal->nid, &r) < 0)
		return 0;
	*ret_used = shrink_sub_u64(r.managed, r.available);
	return r.available > r.high ? 0 : r.high - r.available + 1;
}

static uint64_t run_round(int nid, struct shrink_ticker *ticker)
{
	struct place *p = &places[nid];
	struct shrink_goal goal = {
		.gauged = true,
		.on_node = true,
		.nid = nid,
		.need = need,
		.floor = 1,
		.priority = SHRINK_DEF_PRIORITY,
		.gfp_mask = SHRINK_GFP_ALL,
		.notice = shrink_os_clock(),
		.level = shrink_level(),
	};
	struct shrink_round rec = {0};
	uint64_t freed, refused, yield = 0;

	goal.ret_yield = &yield;
	snprintf(goal.source, sizeof(goal.source), "node%d", nid);
	if (!shrink_gate_enter())
		return 0;
	freed = shrink_round_run(&goal, ticker, &rec, &refused);
	shrink_gate_exit();
	if (ticker && atomic_load(&ticker->lost)) /* it is somebody else's node now */
		return rec.freed_objects;
	if (rec.end_nsec)
		atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed);
	shrink_node_learn(&p->node, freed + rec.pending_bytes, yield, shrink_os_clock(),
			  SHRINK_TUN(sample_min) * NSEC_PER_USEC);
	if (p->node.parked)
		atomic_fetch_or_explicit(&parked, 1ULL << nid, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&parked, ~(1ULL << nid), memory_order_relaxed);
	return rec.freed_objects;
}

/* Looks once; objects freed. *@ret_wake: when to look again. */
static uint64_t serve(int nid, struct shrink_ticker *ticker, uint64_t *ret_wake)
{
	struct shrink_node *n = &places[nid].node;
	uint64_t now = shrink_os_clock(), freed = 0;
	struct shrink_node_reading r;

	if (shrink_node_read(nid, &r) < 0) {
		*ret_wake = now + SHRINK_NODE_PROBE_NSEC;
		return 0;
	}
	if (shrink_node_next(n, &r, now, SHRINK_TUN(sample_min) * NSEC_PER_USEC,
			     SHRINK_TUN(sample_max) * NSEC_PER_USEC, ret_wake)) {
		freed = run_round(nid, ticker);
		if (ticker && atomic_load(&ticker->lost)) { /* so is n */
			*ret_wake = now;
			return freed;
		}
		*ret_wake = n->not_before;
	}
	return freed;
}

uint64_t shrink_nodes_turn(uint64_t *ret_next)
{
	uint64_t freed = 0, wake;

	*ret_next = UINT64_MAX;
	for (int nid = 0; nr_served && nid < SHRINK_NODES_MAX; nid++) {
		if (!places[nid].served)
			continue;
		freed += serve(nid, NULL, &wake);
		*ret_next = shrink_min_u64(*ret_next, wake);
	}
	return freed;
}

/* Lock held: what @me, who is not stuck any more, has lost comes back to it. */
static void come_back(int me)
{
	struct place *p = &places[me];

	if (!p->lost)
		return;
	p->lost = false;
	atomic_store(&p->ticker.lost, 0);
	if (!p->busy)
		p->server = me; /* else who serves it gives it back */
}

/* Lock held on entry and exit. When to look again. */
static uint64_t serve_as(int me, int nid)
{
	struct place *p = &places[nid];
	uint64_t wake;

	p->busy = true;
	pthread_mutex_unlock(&lock);
	serve(nid, &places[me].ticker, &wake);
	pthread_mutex_lock(&lock);
	if (places[me].lost) /* meanwhile; then busy is another's to say */
		return 0;
	p->busy = false;
	if (nid != me && p->alive && !p->lost) {
		p->server = nid;
		pthread_cond_signal(&p->wake);
	}
	return wake;
}

static void warm_up(int nid)
{
	shrink_os_numa_run_on(nid); /* no processor there, or not ours: anywhere */
	shrink_os_thread_warm_stack();
	shrink_os_thread_be_prompt();
	shrink_rcu_read_lock();
	shrink_rcu_read_unlock();
}

static void *work(void *arg)
{
	struct place *p = arg;
	int me = (int)(p - places);

	warm_up(me);
	pthread_mutex_lock(&lock);
	while (!stopping && !p->given_up) {
		uint64_t wake = UINT64_MAX;

		for (int nid = 0; nid < SHRINK_NODES_MAX && !p->lost; nid++)
			if (places[nid].served && places[nid].server == me && !places[nid].busy)
				wake = shrink_min_u64(wake, serve_as(me, nid));
		if (p->lost)
			come_back(me);
		else if (!stopping && !p->given_up)
			shrink_os_cond_wait(&p->wake, &lock, shrink_min_u64(
				shrink_sub_u64(wake, shrink_os_clock()) / NSEC_PER_USEC + 1,
				LOST_LOOK_USEC));
	}
	p->alive = p->given_up = false;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static int init_one(int nid)
{
	struct place *p = &places[nid];

	p->node = (struct shrink_node){0};
	memset(&p->ticker, 0, sizeof(p->ticker));
	p->given_up = p->lost = p->busy = false;
	p->server = nid;
	p->since = 0;
	return shrink_os_cond_init(&p->wake);
}

static int start_one(int nid)
{
	struct place *p = &places[nid];
	char name[16];
	int r;

	pthread_mutex_lock(&lock);
	p->alive = true;
	pthread_mutex_unlock(&lock);
	snprintf(name, sizeof(name), "shrink-node%d", nid);
	r = shrink_os_thread_create(&p->thread, name, work, p);
	if (r < 0) {
		pthread_mutex_lock(&lock);
		p->alive = false;
		pthread_mutex_unlock(&lock);
	}
	return r;
}

/* All are made before the first runs: each looks at all of them. */
int shrink_nodes_start(void)
{
	int r = nr_served ? shrink_os_cond_init(&ended) : 0;

	stopping = false;
	for (int nid = 0; !r && nr_served && nid < SHRINK_NODES_MAX; nid++)
		if (places[nid].served)
			r = init_one(nid);
	for (int nid = 0; !r && nr_served && nid < SHRINK_NODES_MAX; nid++)
		if (places[nid].served)
			r = start_one(nid);
	if (r < 0)
		shrink_nodes_stop(UINT64_MAX);
	return r;
}

/* 0: it has ended; -ETIMEDOUT: it is left to itself. @end on the real clock. */
static int end_one(struct place *p, uint64_t end)
{
	uint64_t now;
	bool hangs;

	pthread_mutex_lock(&lock);
	while (p->alive && (now = shrink_os_clock_real()) < end)
		shrink_os_cond_wait(&ended, &lock, (end - now) / NSEC_PER_USEC + 1);
	hangs = p->given_up = p->alive;
	pthread_mutex_unlock(&lock);
	if (!hangs)
		return -pthread_join(p->thread, NULL);
	pthread_detach(p->thread);
	return -ETIMEDOUT;
}

int shrink_nodes_stop(uint64_t usec)
{
	uint64_t end = shrink_min_u64(INT64_MAX, shrink_add_u64(shrink_os_clock_real(),
			shrink_mul_div(usec, NSEC_PER_USEC, 1)));
	uint64_t was = 0;
	int r = 0;

	pthread_mutex_lock(&lock);
	stopping = true;
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++)
		if (places[nid].alive) {
			was |= 1ULL << nid;
			pthread_cond_signal(&places[nid].wake);
		}
	pthread_mutex_unlock(&lock);
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++)
		if (was & 1ULL << nid && end_one(&places[nid], end) < 0)
			r = -ETIMEDOUT;
	return r;
}

/* Lock held: who is to serve what @from did; itself, where nobody else is left. */
static int another(int from)
{
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++)
		if (nid != from && places[nid].served && places[nid].alive && !places[nid].lost)
			return nid;
	return from;
}

/* Inside the gate. */
static void take_over(int from, struct shrinker_impl *s, uint64_t usec)
{
	char name[SHRINK_NAME_MAX + 16];
	struct place *p = &places[from];
	int to;

	pthread_mutex_lock(&lock);
	to = another(from);
	if (p->lost || !p->alive || to == from || !shrink_ticker_lose(&p->ticker, s)) {
		pthread_mutex_unlock(&lock);
		return;
	}
	p->lost = true;
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++)
		if (places[nid].served && places[nid].server == from) {
			places[nid].server = to;
			places[nid].busy = false;
		}
	shrink_round_unclaim(&p->ticker);
	atomic_fetch_add_explicit(&overruns, 1, memory_order_relaxed);
	pthread_cond_signal(&places[to].wake);
	pthread_mutex_unlock(&lock);
	shrinker_get_name(&s->pub, name, sizeof(name));
	shrink_warn("%s: its callback runs for %llu ms; node %d is served by the worker of node "
		    "%d, this one is left out until it returns", name,
		    (unsigned long long)(usec / 1000), from, to);
}

static void watch_one(int nid, uint64_t now)
{
	struct place *p = &places[nid];
	struct shrinker_impl *s = atomic_load(&p->ticker.current);
	uint64_t ticks = atomic_load_explicit(&p->ticker.ticks, memory_order_relaxed);

	if (!s || p->ticks != ticks || !p->since) {
		p->ticks = ticks;
		p->since = s ? now : 0;
		return;
	}
	if (now - p->since < SHRINK_TUN(overrun) * NSEC_PER_MSEC)
		return;
	/* As a walk, so that the shrinker it is in cannot go away under us */
	if (!shrink_gate_enter())
		return;
	s = atomic_load(&p->ticker.current);
	if (s)
		take_over(nid, s, (now - p->since) / 1000);
	shrink_gate_exit();
}

bool shrink_nodes_watch(uint64_t now)
{
	bool busy = false;

	for (int nid = 0; nr_served && nid < SHRINK_NODES_MAX; nid++) {
		if (!places[nid].served)
			continue;
		watch_one(nid, now);
		busy |= places[nid].since != 0;
	}
	return busy;
}

bool shrink_nodes_hang(void)
{
	bool hang = false;

	pthread_mutex_lock(&lock);
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++)
		hang |= places[nid].given_up;
	pthread_mutex_unlock(&lock);
	return hang;
}

struct shrink_nodes_stats shrink_nodes_stats(void)
{
	return (struct shrink_nodes_stats){
		.rounds = atomic_load_explicit(&rounds, memory_order_relaxed),
		.overruns = atomic_load_explicit(&overruns, memory_order_relaxed),
		.parked = (uint64_t)__builtin_popcountll(
			atomic_load_explicit(&parked, memory_order_relaxed)),
	};
}

void shrink_nodes_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
	shrink_node_read_lock();
}

void shrink_nodes_fork_parent(void)
{
	shrink_node_read_unlock();
	pthread_mutex_unlock(&lock);
}

void shrink_nodes_fork_child(void)
{
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++) {
		places[nid].alive = places[nid].given_up = places[nid].served = false;
		places[nid].lost = places[nid].busy = false;
	}
	shrink_node_read_forget();
	shrink_node_read_unlock();
	nr_served = 0;
	pthread_mutex_unlock(&lock);
}
