// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The load client's parts: what it measures is only worth as much as they are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "tools/kvload/hist.h"
#include "tools/kvload/value.h"
#include "tools/kvload/zipf.h"

#define RANKS 1000
#define DRAWS 1000000

/* Chi-square of a million draws against the exact law; ranks too rare for it are
 * taken together. Six deviations above the mean would be chance once in 10^9. */
static void check_zipf(double s)
{
	static unsigned int seen[RANKS + 1];
	double weight = 0, chi2 = 0, rest_expected = 0, rest_seen = 0;
	unsigned int bins = 0;
	struct zipf zipf;
	struct rng rng;

	memset(seen, 0, sizeof(seen));
	rng_seed(&rng, 7);
	zipf_init(&zipf, RANKS, s);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t rank = zipf_next(&zipf, &rng);

		CU_ASSERT_FATAL(rank >= 1 && rank <= RANKS);
		seen[rank]++;
	}
	for (int k = 1; k <= RANKS; k++)
		weight += pow(k, -s);
	for (int k = 1; k <= RANKS; k++) {
		double expected = DRAWS * pow(k, -s) / weight;

		if (expected < 50) {
			rest_expected += expected;
			rest_seen += seen[k];
			continue;
		}
		chi2 += (seen[k] - expected) * (seen[k] - expected) / expected;
		bins++;
	}
	if (rest_expected > 50) {
		chi2 += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected;
		bins++;
	}
	CU_ASSERT(bins > 5);
	CU_ASSERT(chi2 < bins - 1 + 6 * sqrt(2.0 * (bins - 1)));
}

static void zipf_is_exact(void)
{
	static const double exponents[] = {0, 0.5, 0.9, 0.99, 1, 1.01, 1.5, 2.5};

	for (size_t i = 0; i < sizeof(exponents) / sizeof(*exponents); i++)
		check_zipf(exponents[i]);
}

static void zipf_of_one(void)
{
	struct zipf zipf;
	struct rng rng;

	rng_seed(&rng, 1);
	zipf_init(&zipf, 1, 0.99);
	for (int i = 0; i < 1000; i++)
		ASSERT_INT((long long)zipf_next(&zipf, &rng), 1);
}

static void value_sizes(void)
{
	const struct value_range range = {.min = 64, .max = 65536};
	unsigned int octave[10] = {0};

	for (uint64_t id = 0; id < 100000; id++) {
		uint32_t size = value_size(&range, id);

		CU_ASSERT_FATAL(size >= range.min && size <= range.max);
		octave[31 - __builtin_clz(size) - 6 > 9 ? 9 : 31 - __builtin_clz(size) - 6]++;
	}
	/* log-uniform: each doubling has a tenth of them */
	for (int i = 0; i < 10; i++)
		CU_ASSERT(octave[i] > 9500 && octave[i] < 10500);
}

static void value_detects_any_change(void)
{
	const struct value_range range = {.min = 64, .max = 4096};
	unsigned char *value = malloc(range.max);

	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	for (uint64_t id = 0; id < 200; id++) {
		uint32_t size = value_size(&range, id);

		value_make(&range, id, value);
		CU_ASSERT(value_check(&range, id, value, size));
		CU_ASSERT(!value_check(&range, id + 1, value, size));
		CU_ASSERT(!value_check(&range, id, value, size - 1));
		for (uint32_t bit = 0; bit < size * 8; bit += 13) {
			value[bit / 8] ^= (unsigned char)(1u << bit % 8);
			CU_ASSERT(!value_check(&range, id, value, size));
			value[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
	free(value);
}

static void hist_percentiles(void)
{
	static struct hist hist;
	static struct hist_copy copy, none, since;

	for (uint64_t v = 1; v <= 100000; v++)
		hist_add(&hist, v);
	hist_sum(&copy, &hist);
	ASSERT_INT((long long)copy.total, 100000);
	for (int p = 1; p < 100; p++) {
		double got = (double)hist_percentile(&copy, p / 100.0);

		CU_ASSERT(got >= p * 1000.0 && got <= p * 1000.0 * 1.04);
	}
	ASSERT_INT((long long)hist_take_max(&hist), 100000);
	ASSERT_INT((long long)hist_take_max(&hist), 0);
	hist_since(&since, &copy, &copy);
	ASSERT_INT((long long)since.total, 0);
	ASSERT_INT((long long)hist_percentile(&none, 0.5), 0);
	hist_add(&hist, UINT64_MAX);
	ASSERT_INT((long long)(hist_take_max(&hist) == UINT64_MAX), 1);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"Zipf ranks follow the exact law", zipf_is_exact},
		{"Zipf of a single rank", zipf_of_one},
		{"value sizes are log-uniform", value_sizes},
		{"a changed bit, key or size of a value is noticed", value_detects_any_change},
		{"histogram percentiles within a bucket", hist_percentiles},
		{NULL, NULL},
	};

	return test_main(argc, argv, "kvload", tests);
}
