// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Memory groups: what a charge costs, alone and where a thread serves several groups
 * in turn, beside the locked counter one would write by hand; and what a pass over
 * 10,000 groups with 100 shrinkers costs where one place in a hundred has objects,
 * beside the same pass that asks at every place.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <libshrink/core/memcg.h>

#include "tools/bench/bench.h"

#define GROUPS 10000
#define SHRINKERS 100
#define SET (GROUPS * SHRINKERS / 100)
#define ROUNDS 9
#define LOOPS 1000000u

static struct shrink_memcg *group[GROUPS];
static struct shrinker *shrinker[SHRINKERS];

/* ---- charges */

static _Atomic uint64_t plain[2];

static double time_charges(unsigned int groups)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = bench_nsec();
		double each;

		for (unsigned int i = 0; i < LOOPS; i++) {
			struct shrink_memcg *m = group[i % groups];

			if (shrink_memcg_charge(m, 100, SHRINK_GFP_ALL) < 0)
				bench_die("charge", 12);
			shrink_memcg_uncharge(m, 100);
		}
		each = (double)(bench_nsec() - start) / LOOPS;
		best = each < best ? each : best;
	}
	return best;
}

/* A group below the root, hierarchical: two locked additions each way. */
static double time_plain(void)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = bench_nsec();
		double each;

		for (unsigned int i = 0; i < LOOPS; i++) {
			for (int level = 0; level < 2; level++)
				atomic_fetch_add(&plain[level], 100);
			for (int level = 0; level < 2; level++)
				atomic_fetch_sub(&plain[level], 100);
		}
		each = (double)(bench_nsec() - start) / LOOPS;
		best = each < best ? each : best;
	}
	return best;
}

static void measure_charges(void)
{
	double baseline = time_plain();

	bench_print(&(struct bench_figure){.bench = "memcg", .what = "charge and uncharge",
					   .unit = "ns", .value = time_charges(1), .aim = 10,
					   .baseline = baseline});
	bench_print(&(struct bench_figure){.bench = "memcg",
					   .what = "charge and uncharge, 4 groups in turn",
					   .unit = "ns", .value = time_charges(4),
					   .baseline = baseline});
	shrink_memcg_drain();
}

/* ---- passes */

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 0; /* and not SHRINK_EMPTY: the bit stays */
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return SHRINK_STOP;
}

static void pass_once(void)
{
	struct shrink_pass pass = {
		.gfp_mask = SHRINK_GFP_ALL,
		.nid = SHRINK_NUMA_NO_NODE,
		.memcg = shrink_memcg_root_group,
		.top = shrink_memcg_root_group,
		.raw = true,
		.how = {.variant = SHRINK_ARITH_5_13, .priority = 12},
	};

	if (!shrink_gate_enter())
		bench_die("shrink_gate_enter", 1);
	shrink_walk_tree(&pass);
	shrink_gate_exit();
}

/* Nanoseconds a pass, the best of many: what disturbs only ever adds. */
static double time_pass(void)
{
	double best = 1e18;

	pass_once();
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = bench_nsec();
		double each;

		pass_once();
		each = (double)(bench_nsec() - start);
		best = each < best ? each : best;
	}
	return best;
}

static void set_some(void)
{
	uint64_t state = 1;

	for (int set = 0; set < SET; set++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		shrink_memcg_set_bit(group[(state >> 33) % GROUPS], 0,
				     shrinker[(state >> 20) % SHRINKERS]);
	}
}

static void set_all(void)
{
	for (int g = 0; g < GROUPS; g++)
		for (int s = 0; s < SHRINKERS; s++)
			shrink_memcg_set_bit(group[g], 0, shrinker[s]);
}

static unsigned int bits(void)
{
	unsigned int n = 0;

	for (int g = 0; g < GROUPS; g++)
		for (int id = 0; id < SHRINKERS; id += SHRINK_MEMCG_UNIT)
			n += (unsigned int)__builtin_popcountll(
				atomic_load(&shrink_memcg_unit(group[g], 0, id)->map));
	return n;
}

static void measure_passes(void)
{
	double some, all, set;

	set_some();
	set = bits();
	some = time_pass();
	set_all();
	all = time_pass();
	bench_print(&(struct bench_figure){
		.bench = "memcg",
		.what = "pass over 10,000 groups with 100 shrinkers, 1 % set",
		.unit = "ns/bit",
		.value = some / set,
		.aim = 80});
	bench_print(&(struct bench_figure){.bench = "memcg",
					   .what = "the same pass against asking everywhere",
					   .unit = "part", .value = some / all, .aim = 1.0 / 50});
}

int main(void)
{
	int ret;

	ret = shrink_start(SHRINK_START_SIMULATED);
	if (ret < 0)
		bench_die("shrink_start", ret);
	for (int i = 0; i < SHRINKERS; i++) {
		shrinker[i] = shrinker_alloc(SHRINKER_MEMCG_AWARE, "bench-%d", i);
		if (!shrinker[i])
			bench_die("shrinker_alloc", 12);
		shrinker[i]->count_objects = count;
		shrinker[i]->scan_objects = scan;
		if (shrinker_register(shrinker[i]) < 0)
			bench_die("shrinker_register", 22);
	}
	for (int i = 0; i < GROUPS; i++) {
		group[i] = shrink_memcg_create(NULL, "bench-%d", i);
		if (!group[i])
			bench_die("shrink_memcg_create", 12);
	}
	measure_charges();
	measure_passes();
	for (int i = 0; i < GROUPS; i++)
		shrink_memcg_destroy(group[i]);
	for (int i = 0; i < SHRINKERS; i++)
		shrinker_free(shrinker[i]);
	return shrink_stop() < 0;
}
