/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Idle ageing: objects nobody has used for a while go before memory is short.
 *
 * A clock ticks once a period. A hit stamps the object with it
 * (shrink_fast_stamp(&item->stamp, page)), so that a background pass, which looks at
 * each object about once a tick, knows for how long it has been idle:
 *
 *	warm ── more than 8 hits in a tick ──► hot ── 5 ticks idle ──► warm
 *	warm and idle for 5 ticks ──► cold: asked to go
 *	cold, but used before it went, or back soon after ──► refaulted
 *	refaulted ── 20 ticks ──► warm; until then it is left alone
 *
 * The pass asks through the lruvec's own evict() and free(), by a shrinker of its own
 * ("NAME-age") that pressure never calls, at its own low rate. It takes nothing but
 * what is idle, so it is no answer to pressure; it makes pressure rare.
 *
 * Off unless the configuration says age:on or the cache SHRINK_AGE_ON.
 */
#ifndef SHRINK_AGE_H
#define SHRINK_AGE_H

#include <shrink/fast.h>
#include <shrink/lruvec.h>

SHRINK_BEGIN_DECLS

struct shrink_age;

/** How warm an object is. */
enum shrink_temperature {
	SHRINK_WARM = 0,
	SHRINK_HOT = 1,
	SHRINK_COLD = 2,
	SHRINK_REFAULTED = 3
};

/** In shrink_age_options.flags: on, whatever the configuration says. */
#define SHRINK_AGE_ON 0x1u

/** Zero it, set what differs; fields are appended only. */
struct shrink_age_options {
	unsigned int flags;         /**< SHRINK_AGE_* */
	unsigned int cold_ticks;    /**< idle for so long: cold; 0 = 5 */
	unsigned int hot_hits;      /**< more hits in a tick: hot, up to 14; 0 = 8 */
	unsigned int hot_ticks;     /**< hot and idle for so long: warm; 0 = 5 */
	unsigned int immune_ticks;  /**< refaulted: left alone for so long; 0 = 20 */
	uint64_t period_msec;       /**< of the clock; 0 = the tunable age_period */
	unsigned int free_percent;  /**< of a node's objects freed per tick at most;
				     *   0 = 10 */
};

/**
 * shrink_age_create() - let the objects of an lruvec age
 * @lv: at most one per lruvec, before objects are added; must outlive the result
 * @options: NULL = all defaults; @size: its sizeof as the caller knows it
 *
 * The library's worker runs the pass from shrink_start() on.
 *
 * Return: the clock, the caller's until shrink_age_destroy(); NULL with errno =
 * EINVAL (no lruvec, unknown flag, a value out of range), EBUSY (it has one) or
 * ENOMEM.
 */
SHRINK_NODISCARD struct shrink_age *shrink_age_create(struct shrink_lruvec *lv,
						      const struct shrink_age_options *options,
						      size_t size);
/** Waits for a pass that runs. The lruvec's objects stay. NULL is fine. Not from
 *  evict() or free(). */
void shrink_age_destroy(struct shrink_age *age);

/** For shrink_fast_stamp(): valid as long as @age. NULL for NULL. */
const struct shrink_fast_age *shrink_age_fast(const struct shrink_age *age);

/**
 * shrink_age_run() - a whole pass in the calling thread, now
 * @max: objects freed at most; 0 = no limit
 *
 * Also where ageing is off. Looks at each object once. Runs evict() and free().
 *
 * Return: objects freed; -EINVAL; -ENOTCONN: not started; -EDEADLK: from a callback;
 * -EALREADY: a pass is running.
 */
long shrink_age_run(struct shrink_age *age, unsigned long max);

/** Ticks since creation. 0 for NULL. */
uint32_t shrink_age_tick(const struct shrink_age *age);

/** What ageing has done. Fields are appended only. */
struct shrink_age_stats {
	uint64_t passes;        /**< whole tours */
	uint64_t looked;        /**< objects looked at */
	uint64_t hot, warm, cold, refaulted; /**< seen on the last whole tour */
	uint64_t to_hot, to_warm, to_cold, to_refaulted;
	uint64_t asked;         /**< cold ones asked to go */
	uint64_t freed, bytes_freed, pending;
	/* why a cold one could not go */
	uint64_t in_use;        /**< answered ACTIVATE */
	uint64_t locked;
	uint64_t dirty;
	uint64_t queued;
	uint64_t writeback;
	uint64_t immediate;
	uint64_t immune;        /**< idle, but refaulted not long ago: not asked */
	uint64_t limited;       /**< cold, but the tick's share was used up */
};

/** Return: 0; -EINVAL. */
int shrink_age_stats(struct shrink_age *age, struct shrink_age_stats *ret_stats, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_AGE_H */
