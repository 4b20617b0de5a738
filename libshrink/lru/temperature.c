// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/lru/temperature.h>

/* A use in a tick after the change; a stamp from the future (its writer has seen a
 * later tick than we) is one too. */
static int used_since(const struct shrink_temperature_in *in)
{
	return shrink_ticks(in->now, in->used) < shrink_ticks(in->now, in->since) ||
	       shrink_ticks(in->used, in->now) - 1 < SHRINK_TICK_MASK / 2;
}

static uint32_t idle(const struct shrink_temperature_in *in)
{
	uint32_t ticks = shrink_ticks(in->now, in->used);

	return ticks > SHRINK_TICK_MASK / 2 ? 0 : ticks;
}

enum shrink_temperature shrink_temperature(const struct shrink_temperature_rules *rules,
					   const struct shrink_temperature_in *in)
{
	switch (in->was) {
	case SHRINK_HOT:
		return idle(in) >= rules->hot_ticks ? SHRINK_WARM : SHRINK_HOT;
	case SHRINK_COLD:
		return used_since(in) ? SHRINK_REFAULTED : SHRINK_COLD;
	case SHRINK_REFAULTED:
		return shrink_ticks(in->now, in->since) >= rules->immune_ticks ? SHRINK_WARM
									       : SHRINK_REFAULTED;
	default:
		/* the tick before counts too: the pass may come just after the turn */
		if (in->hits > rules->hot_hits && idle(in) <= 1)
			return SHRINK_HOT;
		if (shrink_ticks(in->now, in->since) < rules->cold_ticks)
			return SHRINK_WARM;
		return idle(in) >= rules->cold_ticks ? SHRINK_COLD : SHRINK_WARM;
	}
}

uint64_t shrink_age_share(uint64_t objects, unsigned int steps)
{
	return objects / steps + 1;
}
