// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Polling once a second, with the published constants of three projects. What they
 * differ in is how much goes once headroom has been found too small:
 *
 *   cachelib   a step of 5 % of the cache (its memory monitor, free-memory mode)
 *   midas      just what is missing to the target
 *   bcachefs   everything, of each cache (its tools' shrinker thread)
 */
#include "tests/lab/lab.h"

static uint64_t missing(const struct lab *lab)
{
	uint64_t usage = lab_usage(lab), target = lab->limit - lab->headroom;

	return usage > target ? usage - target : 0;
}

static void poll_until_stop(struct lab *lab, uint64_t (*amount)(const struct lab *, uint64_t))
{
	while (!lab->stop) {
		uint64_t due = lab_nsec() + lab->tick_nsec;
		uint64_t short_by = missing(lab);

		if (short_by)
			lab_give_back(lab, amount(lab, short_by));
		while (!lab->stop && lab_nsec() < due)
			lab_sleep_nsec(LAB_NSEC / 200);
	}
}

static uint64_t step(const struct lab *lab, uint64_t short_by)
{
	(void)short_by;
	return lab->store.bytes / 20;
}

static uint64_t just_that(const struct lab *lab, uint64_t short_by)
{
	(void)lab;
	return short_by;
}

static uint64_t everything(const struct lab *lab, uint64_t short_by)
{
	(void)short_by;
	return lab->store.bytes;
}

static void *run_cachelib(void *lab)
{
	poll_until_stop(lab, step);
	return NULL;
}

static void *run_midas(void *lab)
{
	poll_until_stop(lab, just_that);
	return NULL;
}

static void *run_bcachefs(void *lab)
{
	poll_until_stop(lab, everything);
	return NULL;
}

static int start_cachelib(struct lab *lab, const char **ret_why)
{
	*ret_why = "no thread";
	return lab_thread(lab, run_cachelib);
}

static int start_midas(struct lab *lab, const char **ret_why)
{
	*ret_why = "no thread";
	return lab_thread(lab, run_midas);
}

static int start_bcachefs(struct lab *lab, const char **ret_why)
{
	*ret_why = "no thread";
	return lab_thread(lab, run_bcachefs);
}

const struct lab_policy lab_policy_cachelib = {
	.name = "cachelib",
	.summary = "1 s poll, 5 % of the cache a step",
	.start = start_cachelib,
	.stop = lab_thread_end,
};

const struct lab_policy lab_policy_midas = {
	.name = "midas",
	.summary = "1 s poll, what is missing",
	.start = start_midas,
	.stop = lab_thread_end,
};

const struct lab_policy lab_policy_bcachefs = {
	.name = "bcachefs",
	.summary = "1 s poll, everything",
	.start = start_bcachefs,
	.stop = lab_thread_end,
};
