// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Virtual time: what monitor and worker would have done, in the caller's thread. */
#include <errno.h>

#include <shrink/sim.h>
#include <libshrink/api/start.h>
#include <libshrink/base/bits.h>
#include <libshrink/core/core.h>
#include <libshrink/lru/age.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/nodes.h>
#include <libshrink/source/monitor.h>
#include <libshrink/source/simulated.h>

/* Turns at one moment: a round ends, the monitor looks, posts the next. More than
 * this would not end on a real system either, it would only take time there. */
#define TURNS_MAX 64

static uint64_t settle(uint64_t *next)
{
	uint64_t freed = 0, wake;

	for (int i = 0; i < TURNS_MAX; i++) {
		shrink_simulated_poke();
		freed += shrink_nodes_turn(&wake);
		*next = shrink_min_u64(shrink_monitor_turn(), wake);
		freed += shrink_age_turn(NULL, NULL);
		*next = shrink_min_u64(*next, shrink_age_next());
		shrink_engine_run_chore();
		if (!shrink_engine_busy())
			break;
		freed += shrink_engine_run_pending(0);
		shrink_registry_drain(true);
	}
	return freed;
}

long shrink_sim_step(uint64_t nsec)
{
	uint64_t end, now, next, freed = 0;

	if (shrink_context.depth)
		return -EDEADLK;
	if (!shrink_api_simulated())
		return -ENOTCONN;
	end = shrink_add_u64(shrink_os_clock(), nsec);
	freed += settle(&next);
	while ((now = shrink_os_clock()) < end) {
		/* never stand still, whatever a source says */
		next = shrink_clamp_u64(next, now + NSEC_PER_USEC, end);
		shrink_os_clock_advance(next - now);
		freed += settle(&next);
	}
	return (long)freed;
}
