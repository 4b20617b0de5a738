// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/core/rcu.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/numa.h>
#include <libshrink/os/thread.h>
#include <libshrink/os/zoneinfo.h>
#include <libshrink/reclaim/nodes.h>

/* Watermarks change when somebody tunes the system: dear to read, read seldom. */
#define ZONES_NSEC NSEC_PER_SEC

struct place {
	struct shrink_node node; /* its worker's, or the turning thread's */
	int fd;                  /* of the node's meminfo */
	bool served;
	pthread_t thread;
	pthread_cond_t wake;
	bool alive, given_up;    /* under the lock */
};

/* Guards threads' flags and the zones; held for moments, and over a read of
 * /proc/zoneinfo. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended;
static struct place places[SHRINK_NODES_MAX];
static struct shrink_zoneinfo zones;
static uint64_t zones_when;
static int zones_fd = -1;
static int (*read_simulated)(int nid, struct shrink_node_reading *ret);
static _Atomic int nr_served;
static bool stopping;
static _Atomic uint64_t rounds;
static _Atomic uint64_t parked; /* a bit for each node */

static struct shrink_node_zones zones_of(int nid)
{
	uint64_t now = shrink_os_clock();
	struct shrink_node_zones z;

	pthread_mutex_lock(&lock);
	if (now - zones_when > ZONES_NSEC && !shrink_os_zoneinfo_read(zones_fd, &zones))
		zones_when = now;
	z = zones.node[nid];
	pthread_mutex_unlock(&lock);
	return z;
}

static int read_node(int nid, struct shrink_node_reading *ret)
{
	struct shrink_node_meminfo mem;
	struct shrink_node_zones z;
	int r;

	if (read_simulated)
		return read_simulated(nid, ret);
	r = shrink_os_node_read(places[nid].fd, nid, &mem);
	if (r < 0)
		return r;
	z = zones_of(nid);
	*ret = (struct shrink_node_reading){
		.managed = z.managed,
		.available = shrink_node_available(&z, &mem),
		.low = z.low,
		.high = z.high,
	};
	return 0;
}

/* Without memory, or without watermarks, there is nothing to serve. */
static bool worth_serving(int nid)
{
	struct shrink_node_reading r;

	return !read_node(nid, &r) && r.managed && r.low;
}

static void open_nodes(void)
{
	for (int nid = 0; nid < shrink_core_nr_nodes(); nid++) {
		struct place *p = &places[nid];

		memset(p, 0, sizeof(*p));
		p->fd = read_simulated ? -1 : shrink_os_node_open(nid);
		p->served = worth_serving(nid);
		if (!p->served)
			shrink_os_close(p->fd);
		nr_served += p->served;
	}
}

int shrink_nodes_open(int (*simulated)(int nid, struct shrink_node_reading *ret))
{
	if (nr_served && !simulated && !read_simulated)
		return nr_served; /* open: the process may not be able to open it again */
	shrink_nodes_close();
	read_simulated = simulated;
	if (!SHRINK_TUN(node_workers) || shrink_core_nr_nodes() < 2)
		return 0;
	if (!simulated)
		zones_fd = shrink_os_zoneinfo_open();
	if (simulated || zones_fd >= 0)
		open_nodes();
	if (nr_served < 2)
		shrink_nodes_close();
	return nr_served;
}

void shrink_nodes_close(void)
{
	for (int nid = 0; nid < SHRINK_NODES_MAX && nr_served; nid++) {
		if (places[nid].served)
			shrink_os_close(places[nid].fd);
		places[nid].served = false;
	}
	shrink_os_close(zones_fd);
	zones_fd = -1;
	zones_when = 0;
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
	if (read_node(goal->nid, &r) < 0)
		return 0;
	*ret_used = shrink_sub_u64(r.managed, r.available);
	return r.available > r.high ? 0 : r.high - r.available + 1;
}

static uint64_t run_round(int nid)
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
	freed = shrink_round_run(&goal, NULL, &rec, &refused);
	shrink_gate_exit();
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
static uint64_t serve(int nid, uint64_t *ret_wake)
{
	struct shrink_node *n = &places[nid].node;
	uint64_t now = shrink_os_clock(), freed = 0;
	struct shrink_node_reading r;

	if (read_node(nid, &r) < 0) {
		*ret_wake = now + SHRINK_NODE_PROBE_NSEC;
		return 0;
	}
	if (shrink_node_next(n, &r, now, SHRINK_TUN(sample_min) * NSEC_PER_USEC,
			     SHRINK_TUN(sample_max) * NSEC_PER_USEC, ret_wake)) {
		freed = run_round(nid);
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
		freed += serve(nid, &wake);
		*ret_next = shrink_min_u64(*ret_next, wake);
	}
	return freed;
}

static void *work(void *arg)
{
	struct place *p = arg;
	int nid = (int)(p - places);
	uint64_t wake;

	shrink_os_numa_run_on(nid); /* no processor there, or not ours: anywhere */
	shrink_os_thread_warm_stack();
	shrink_os_thread_be_prompt();
	shrink_rcu_read_lock();
	shrink_rcu_read_unlock();
	pthread_mutex_lock(&lock);
	while (!stopping && !p->given_up) {
		pthread_mutex_unlock(&lock);
		serve(nid, &wake);
		pthread_mutex_lock(&lock);
		if (!stopping && !p->given_up)
			shrink_os_cond_wait(&p->wake, &lock,
				shrink_sub_u64(wake, shrink_os_clock()) / NSEC_PER_USEC + 1);
	}
	p->alive = p->given_up = false;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static int start_one(int nid)
{
	struct place *p = &places[nid];
	char name[16];
	int r = shrink_os_cond_init(&p->wake);

	if (r < 0)
		return r;
	p->node = (struct shrink_node){0};
	p->given_up = false;
	p->alive = true;
	snprintf(name, sizeof(name), "shrink-node%d", nid);
	r = shrink_os_thread_create(&p->thread, name, work, p);
	if (r < 0)
		p->alive = false;
	return r;
}

int shrink_nodes_start(void)
{
	int r = nr_served ? shrink_os_cond_init(&ended) : 0;

	stopping = false;
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
		.parked = (uint64_t)__builtin_popcountll(
			atomic_load_explicit(&parked, memory_order_relaxed)),
	};
}

void shrink_nodes_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_nodes_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/* Descriptors are closed already: forgotten, so that no stranger's is. */
void shrink_nodes_fork_child(void)
{
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++) {
		places[nid].alive = places[nid].given_up = places[nid].served = false;
		places[nid].fd = -1;
	}
	zones_fd = -1;
	nr_served = 0;
	pthread_mutex_unlock(&lock);
}
