// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* G4: the monitor watches the leader's ticker and hands the token on. */
#include <stdatomic.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/engine-priv.h>
#include <libshrink/reclaim/queue.h>

/* monitor only */
static struct {
	int leader;
	uint64_t ticks, since;
} watched;

void shrink_takeover_reset(void)
{
	watched.leader = -1;
}

/* The token changes hands, and with it the goal. */
static void take_over(struct shrink_worker *w, struct shrinker_impl *s, uint64_t since,
		      uint64_t now)
{
	char name[SHRINK_NAME_MAX + 16];
	bool taken = false;

	pthread_mutex_lock(&shrink_engine.lock);
	if (shrink_leader() == w && w->busy && !shrink_standby()->busy &&
	    shrink_standby()->alive && shrink_ticker_lose(&w->ticker, s)) {
		shrink_engine.leader = !shrink_engine.leader;
		if (!w->ageing)
			shrink_queue_add(&w->goal);
		taken = true;
		shrink_round_unclaim(&w->ticker);
		shrink_engine.stats.overruns++;
		pthread_cond_signal(&shrink_leader()->wake);
	}
	pthread_mutex_unlock(&shrink_engine.lock);
	if (!taken)
		return;
	shrinker_get_name(&s->pub, name, sizeof(name));
	shrink_warn("%s: its callback runs for %llu ms; the standby goes on with the other "
		    "shrinkers, this one is left out until it returns", name,
		    (unsigned long long)((now - since) / NSEC_PER_MSEC));
}

void shrink_engine_watch(uint64_t now)
{
	struct shrink_worker *w;
	struct shrinker_impl *s;
	uint64_t ticks;
	int lead_now;

	pthread_mutex_lock(&shrink_engine.lock);
	lead_now = shrink_engine.leader;
	w = shrink_leader()->busy ? shrink_leader() : NULL;
	pthread_mutex_unlock(&shrink_engine.lock);
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
