// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* G2: the sequences of the contract, section 2.6, through shrink_slab(): what one
 * pass leaves behind is what the next one begins with. */
#include "tests/cache.h"
#include "tests/harness.h"

struct step {
	int number, priority;
	unsigned long count;
	unsigned long calls, freed; /* calls of a batch, but where freed is less */
	int64_t deferred;
	unsigned long left;
};

struct sequence {
	const char *variant;
	unsigned long objects;
	int steps;
	int (*priority)(int step);
	int refused; /* so many steps are answered SHRINK_STOP */
	const struct step *rows;
	size_t nr;
};

static unsigned long scan_refusing(struct cache *c, struct shrink_control *sc)
{
	const int *refuse = c->arg;

	return *refuse ? SHRINK_STOP : cache_scan(c, sc);
}

static void check_step(const struct step *want, struct cache *c, unsigned long freed)
{
	ASSERT_INT((long)atomic_load(&c->last_said), (long)want->count);
	ASSERT_INT((long)atomic_load(&c->scans), (long)want->calls);
	ASSERT_INT((long)freed, (long)want->freed);
	ASSERT_INT(cache_deferred(c, 0), want->deferred);
	ASSERT_INT((long)atomic_load(&c->objects), (long)want->left);
}

static void run_sequence(const struct sequence *q)
{
	struct cache c;
	int refuse;
	size_t row = 0;

	ASSERT_INT(shrink_conf_set("arith", q->variant), 0);
	sim_begin();
	cache_new(&c, "sequence", q->objects);
	c.on_scan = scan_refusing;
	c.arg = &refuse;
	for (int i = 0; i < q->steps; i++) {
		unsigned long freed;

		refuse = i < q->refused;
		atomic_store(&c.scans, 0);
		freed = shrink_slab(SHRINK_GFP_ALL, 0, NULL, q->priority(i));
		if (row < q->nr && q->rows[row].number == i) {
			ASSERT_INT(q->priority(i), q->rows[row].priority);
			check_step(&q->rows[row++], &c, freed);
		}
	}
	ASSERT_INT((long)row, (long)q->nr);
	cache_end(&c);
	sim_end();
	ASSERT_INT(shrink_conf_set("arith", "linux-5.13"), 0);
}

static int always_12(int step)
{
	(void)step;
	return 12;
}

static int descending(int step)
{
	return 12 - step;
}

static int storm(int step)
{
	return step <= 40 ? 8 : 12;
}

#define RUN(...)                                                                                   \
	do {                                                                                       \
		const struct sequence q = {__VA_ARGS__, rows, sizeof(rows) / sizeof(rows[0])};     \
		run_sequence(&q);                                                                  \
	} while (0)

static void s1_trickle(void)
{
	static const struct step rows[] = {
		{0, 12, 10000, 0, 0, 4, 10000},       {1, 12, 10000, 0, 0, 8, 10000},
		{31, 12, 10000, 0, 0, 128, 10000},    {32, 12, 10000, 0, 0, 132, 10000},
		{63, 12, 10000, 0, 0, 256, 10000},    {64, 12, 10000, 0, 0, 260, 10000},
		{1000, 12, 10000, 0, 0, 4004, 10000}, {4999, 12, 10000, 0, 0, 20000, 10000},
		{5000, 12, 10000, 0, 0, 20000, 10000}, {5001, 12, 10000, 0, 0, 20000, 10000},
		{9999, 12, 10000, 0, 0, 20000, 10000},
	};

	RUN("linux-5.13", 10000, 10000, always_12, 0);
}

static void s1b_trickle_old(void)
{
	static const struct step rows[] = {
		{0, 12, 10000, 0, 0, 4, 10000},   {1, 12, 10000, 0, 0, 8, 10000},
		{30, 12, 10000, 0, 0, 124, 10000}, {31, 12, 10000, 1, 128, 0, 9872},
		{32, 12, 9872, 0, 0, 4, 9872},    {63, 12, 9872, 1, 128, 0, 9744},
		{64, 12, 9744, 0, 0, 4, 9744},
	};

	RUN("linux-5.0", 10000, 65, always_12, 0);
}

static void s2_escalation(void)
{
	static const struct step rows[] = {
		{0, 12, 10000, 0, 0, 4, 10000},   {1, 11, 10000, 0, 0, 12, 10000},
		{2, 10, 10000, 0, 0, 30, 10000},  {3, 9, 10000, 0, 0, 68, 10000},
		{4, 8, 10000, 0, 0, 146, 10000},  {5, 7, 10000, 1, 128, 174, 9872},
		{6, 6, 9872, 2, 256, 226, 9616},  {7, 5, 9616, 4, 512, 314, 9104},
		{8, 4, 9104, 9, 1152, 300, 7952}, {9, 3, 7952, 15, 1920, 368, 6032},
		{10, 2, 6032, 24, 3072, 312, 2960}, {11, 1, 2960, 24, 2960, 200, 0},
		{12, 0, 0, 0, 0, 200, 0},
	};

	RUN("linux-5.13", 10000, 13, descending, 0);
}

static void s3_escalation_old(void)
{
	static const struct step rows[] = {
		{0, 12, 10000, 0, 0, 4, 10000},   {1, 11, 10000, 0, 0, 12, 10000},
		{2, 10, 10000, 0, 0, 30, 10000},  {3, 9, 10000, 0, 0, 68, 10000},
		{4, 8, 10000, 1, 128, 18, 9872},  {5, 7, 9872, 1, 128, 44, 9744},
		{6, 6, 9744, 2, 256, 92, 9488},   {7, 5, 9488, 5, 640, 44, 8848},
		{8, 4, 8848, 8, 1024, 126, 7824}, {9, 3, 7824, 16, 2048, 34, 5776},
		{10, 2, 5776, 22, 2816, 106, 2960}, {11, 1, 2960, 23, 2944, 122, 16},
		{12, 0, 16, 1, 16, 122, 0},
	};

	RUN("linux-5.0", 10000, 13, descending, 0);
}

static void s4_storm(void)
{
	static const struct step rows[] = {
		{0, 8, 100000, 1, 0, 780, 100000},    {1, 8, 100000, 1, 0, 1560, 100000},
		{2, 8, 100000, 1, 0, 2340, 100000},   {38, 8, 100000, 1, 0, 30420, 100000},
		{39, 8, 100000, 1, 0, 31200, 100000}, {40, 8, 100000, 7, 896, 31084, 99104},
		{41, 12, 99104, 0, 0, 31132, 99104},
	};

	RUN("linux-5.13", 100000, 42, storm, 40);
}

static void s5_storm_old(void)
{
	static const struct step rows[] = {
		{0, 8, 100000, 1, 0, 780, 100000},    {1, 8, 100000, 1, 0, 1560, 100000},
		{2, 8, 100000, 1, 0, 2340, 100000},   {38, 8, 100000, 1, 0, 30420, 100000},
		{39, 8, 100000, 1, 0, 31200, 100000}, {40, 8, 100000, 249, 31872, 108, 68128},
		{41, 12, 68128, 1, 128, 12, 68000},
	};

	RUN("linux-5.0", 100000, 42, storm, 40);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G2: S1 trickle", s1_trickle},
		{"G2: S1b trickle, linux-5.0", s1b_trickle_old},
		{"G2: S2 escalation", s2_escalation},
		{"G2: S3 escalation, linux-5.0", s3_escalation_old},
		{"G2: S4 storm of refusals", s4_storm},
		{"G2: S5 storm of refusals, linux-5.0", s5_storm_old},
		{NULL, NULL},
	};

	return test_main(argc, argv, "sequences", tests);
}
