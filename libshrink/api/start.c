// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Start and stop. Everything that allocates, opens or takes its time happens in
 * prepare, so that the process may lock itself in before it starts (G13), and
 * nothing of it is left for the moment memory is short (G6).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <shrink/reclaim.h>
#include <libshrink/api/conf.h>
#include <libshrink/api/loop.h>
#include <libshrink/api/start.h>
#include <libshrink/base/atfork.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/single.h>
#include <libshrink/pool/charge.h>
#include <libshrink/reclaim/cow.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/reclaim/nodes.h>
#include <libshrink/reclaim/record.h>
#include <libshrink/reclaim/release.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/manual.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/simulated.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool running, simulated, in_loop;
static bool left_open; /* the monitor, for a dispatch that hung */
/* Kept open over stop, for a round that was given up may still read it. */
static int rss_fd = -1;

static uint64_t real_rss(void)
{
	uint64_t rss;

	return shrink_os_rss_read(rss_fd, &rss) < 0 ? 0 : rss;
}

static void fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

static void fork_parent(void)
{
	shrink_cow_forked();
	pthread_mutex_unlock(&lock);
}

/* Passive until started again; a library is the child's to start, not ours. */
static void fork_child(void)
{
	running = simulated = in_loop = left_open = false;
	shrink_loop_fork_child();
	rss_fd = -1;
	shrink_cow_fork_child();
	shrink_round_set_rss(NULL);
	shrink_simulated_enable(0);
	shrink_os_clock_simulate(0);
	shrink_manual_reset();
	shrink_level_reset();
	pthread_mutex_unlock(&lock);
}

static const struct shrink_fork_hooks api_hooks = {fork_prepare, fork_parent, fork_child};
static const struct shrink_fork_hooks engine_hooks = {
	shrink_engine_fork_prepare, shrink_engine_fork_parent, shrink_engine_fork_child};
static const struct shrink_fork_hooks monitor_hooks = {
	shrink_monitor_fork_prepare, shrink_monitor_fork_parent, shrink_monitor_fork_child};
static const struct shrink_fork_hooks record_hooks = {
	shrink_record_fork_prepare, shrink_record_fork_done, shrink_record_fork_done};

static const struct shrink_fork_hooks nodes_hooks = {
	shrink_nodes_fork_prepare, shrink_nodes_fork_parent, shrink_nodes_fork_child};
static const struct shrink_fork_hooks level_hooks = {
	shrink_level_fork_prepare, shrink_level_fork_parent, shrink_level_fork_child};

static int arm_fork(void)
{
	int r = shrink_core_fork_arm();

	r |= shrink_fork_register(SHRINK_FORK_API, &api_hooks);
	r |= shrink_fork_register(SHRINK_FORK_ENGINE, &engine_hooks);
	r |= shrink_fork_register(SHRINK_FORK_MONITOR, &monitor_hooks);
	r |= shrink_fork_register(SHRINK_FORK_RECORD, &record_hooks);
	r |= shrink_fork_register(SHRINK_FORK_NODES, &nodes_hooks);
	r |= shrink_fork_register(SHRINK_FORK_LEVEL, &level_hooks);
	return r ? -ENOMEM : 0;
}

/*
 * At exit the C library runs urcu's destructor, which unmaps the readers' records
 * under any thread of ours that still walks. So walks end first: after this no
 * read section begins; a callback that does not return in time finds the gate shut.
 */
static void at_exit(void)
{
	shrink_gate_close(SHRINK_TUN(fork_wait) * 1000);
}

static int arm_exit(void)
{
	static bool armed;

	if (!armed && atexit(at_exit))
		return -ENOMEM;
	armed = true;
	return 0;
}

/* What pools ask before they grow. */
static const struct shrink_pool_hooks pool_hooks = {shrink_room, shrink_memcg_charge};

/* Lock held. */
static int prepare(bool strict)
{
	int errors = shrink_conf_load(), live;

	strict |= SHRINK_TUN(strict) != 0;
	if (SHRINK_TUN(off))
		return -ECANCELED;
	if (strict && errors)
		return -EINVAL;
	if (arm_fork() < 0 || arm_exit() < 0)
		return -ENOMEM;
	shrink_os_set_sysroot(shrink_tunables.sysroot);
	shrink_core_nr_nodes();
	shrink_conf_on_rules_changed(shrink_registry_apply_rules);
	shrink_registry_apply_rules();
	shrink_release_prepare();
	shrink_pool_set_hooks(&pool_hooks);
	if (rss_fd < 0)
		rss_fd = shrink_os_rss_open();
	shrink_cow_prepare();
	shrink_round_set_rss(shrink_simulated() ? shrink_simulated_rss : real_rss);
	shrink_nodes_open(shrink_simulated() ? shrink_simulated_node : NULL);
	live = shrink_monitor_open();
	if (live < 0)
		return live;
	return strict && !live ? -ENODEV : 0;
}

int shrink_prepare(void)
{
	int r;

	if (shrink_context.depth)
		return -EBUSY;
	pthread_mutex_lock(&lock);
	r = running ? 0 : prepare(false);
	pthread_mutex_unlock(&lock);
	return r;
}

static int start_threads(void)
{
	int r = shrink_engine_start();

	if (r < 0)
		return r;
	shrink_gate_open();
	r = shrink_nodes_start();
	if (!r)
		r = shrink_monitor_start();
	if (r < 0) {
		shrink_gate_close(0);
		shrink_nodes_stop(SHRINK_TUN(stop_wait) * 1000);
		shrink_engine_stop(SHRINK_TUN(stop_wait) * 1000);
	}
	return r;
}

static int start_simulated(void)
{
	shrink_judge_reset();
	shrink_engine_reset(NULL);
	shrink_gate_open();
	return 0;
}

/* A real preparation is no use to a simulated start, and the other way round. */
static void choose_world(bool sim)
{
	if (sim == (shrink_simulated() != 0))
		return;
	shrink_monitor_close();
	shrink_simulated_enable(sim);
	shrink_os_clock_simulate(sim);
}

/* Lock held. */
static int start(unsigned int flags)
{
	bool sim = flags & SHRINK_START_SIMULATED, loop = flags & SHRINK_START_LOOP;
	int r;

	if (running)
		return -EALREADY;
	if (shrink_engine_hangs() || shrink_nodes_hang() || shrink_loop_hangs())
		return -EBUSY;
	if (left_open)
		shrink_monitor_close();
	left_open = false;
	choose_world(sim);
	r = prepare(flags & SHRINK_START_STRICT);
	if (r < 0)
		return r;
	r = shrink_os_single_claim();
	if (r < 0)
		return r;
	shrink_manual_reset();
	r = sim ? start_simulated() : loop ? shrink_loop_start() : start_threads();
	if (r < 0) {
		shrink_os_single_release();
		return r;
	}
	running = true;
	simulated = sim;
	in_loop = loop;
	shrink_log_quiet(1);
	return 0;
}

int shrink_start(unsigned int flags)
{
	int r;

	if (flags & ~(SHRINK_START_SIMULATED | SHRINK_START_STRICT | SHRINK_START_LOOP) ||
	    (flags & SHRINK_START_SIMULATED && flags & SHRINK_START_LOOP))
		return -EINVAL;
	if (shrink_context.depth)
		return -EBUSY;
	pthread_mutex_lock(&lock);
	r = start(flags);
	if (r < 0 && r != -EALREADY && !running) {
		shrink_monitor_close();
		choose_world(false);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* Lock held. */
static int stop(void)
{
	uint64_t usec = SHRINK_TUN(stop_wait) * 1000;
	int r = 0;

	if (!simulated && !in_loop)
		shrink_monitor_stop();
	shrink_gate_close(usec);
	if (in_loop)
		r = shrink_loop_stop(usec);
	else if (!simulated)
		r = shrink_engine_stop(usec);
	if (shrink_nodes_stop(usec) < 0)
		r = -ETIMEDOUT;
	if (!r)
		shrink_nodes_close();
	left_open = in_loop && r < 0;
	if (!left_open)
		shrink_monitor_close();
	shrink_level_reset();
	shrink_owner_expire(0, true);
	choose_world(false);
	running = simulated = in_loop = false;
	shrink_os_single_release();
	shrink_log_quiet(0);
	shrink_registry_drain(false);
	if (r < 0)
		shrink_err("shrink_stop: a callback does not return; its thread is left to itself, "
			   "shrink_start() is refused until it has ended");
	return r;
}

int shrink_stop(void)
{
	int r;

	if (shrink_context.depth || shrink_loop_inside())
		return -EBUSY;
	pthread_mutex_lock(&lock);
	r = running ? stop() : -EALREADY;
	pthread_mutex_unlock(&lock);
	if (r != -EALREADY)
		shrink_level_tell(); /* NORMAL, if it was not */
	return r;
}

bool shrink_api_running(void)
{
	bool yes;

	pthread_mutex_lock(&lock);
	yes = running;
	pthread_mutex_unlock(&lock);
	return yes;
}

bool shrink_api_simulated(void)
{
	bool yes;

	pthread_mutex_lock(&lock);
	yes = running && simulated;
	pthread_mutex_unlock(&lock);
	return yes;
}
