/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* What the engine's own files share. */
#ifndef SHRINK_RECLAIM_ENGINE_PRIV_H
#define SHRINK_RECLAIM_ENGINE_PRIV_H

#include <pthread.h>

#include <libshrink/reclaim/engine.h>

#define SHRINK_WORKERS 2

/* All under the engine's lock, but the ticker. */
struct shrink_worker {
	pthread_t thread;
	pthread_cond_t wake;
	struct shrink_ticker ticker;
	bool alive;              /* the thread runs */
	bool busy;               /* in a round, or ageing */
	bool ageing;             /* no goal to hand over */
	bool given_up;           /* by stop: ends by itself when its callback returns */
	struct shrink_goal goal; /* the round it is in, to hand over */
};

struct shrink_engine {
	pthread_mutex_t lock;
	struct shrink_worker workers[SHRINK_WORKERS];
	int leader;              /* who has the token */
	bool stopping;
	struct shrink_engine_stats stats;
};
extern struct shrink_engine shrink_engine;

static inline struct shrink_worker *shrink_leader(void)
{
	return &shrink_engine.workers[shrink_engine.leader];
}

static inline struct shrink_worker *shrink_standby(void)
{
	return &shrink_engine.workers[!shrink_engine.leader];
}

void shrink_takeover_reset(void); /* no thread of the engine's runs */

#endif /* SHRINK_RECLAIM_ENGINE_PRIV_H */
