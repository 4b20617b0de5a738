// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include "tools/kvload/hist.h"

/* Values below 2 * 32 have a bucket each; above, the exponent picks the group
 * and the five bits below the leading one the bucket. */
static unsigned int bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < (1u << HIST_SUB_BITS))
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - HIST_SUB_BITS;
	return ((shift + 1) << HIST_SUB_BITS) +
	       (unsigned int)((value >> shift) & ((1u << HIST_SUB_BITS) - 1));
}

static uint64_t bucket_last(unsigned int bucket)
{
	unsigned int group = bucket >> HIST_SUB_BITS;
	uint64_t sub = bucket & ((1u << HIST_SUB_BITS) - 1);

	if (group == 0)
		return sub;
	return ((sub + (1u << HIST_SUB_BITS) + 1) << (group - 1)) - 1;
}

void hist_add(struct hist *hist, uint64_t value)
{
	uint64_t max = atomic_load_explicit(&hist->max, memory_order_relaxed);

	atomic_fetch_add_explicit(&hist->count[bucket_of(value)], 1, memory_order_relaxed);
	while (value > max && !atomic_compare_exchange_weak(&hist->max, &max, value))
		;
}

uint64_t hist_take_max(struct hist *hist)
{
	return atomic_exchange(&hist->max, 0);
}

void hist_sum(struct hist_copy *copy, const struct hist *hist)
{
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		uint64_t n = atomic_load_explicit(&hist->count[i], memory_order_relaxed);

		copy->count[i] += n;
		copy->total += n;
	}
}

void hist_since(struct hist_copy *ret_copy, const struct hist_copy *now,
		const struct hist_copy *before)
{
	for (unsigned int i = 0; i < HIST_BUCKETS; i++)
		ret_copy->count[i] = now->count[i] - before->count[i];
	ret_copy->total = now->total - before->total;
}

uint64_t hist_percentile(const struct hist_copy *copy, double part)
{
	uint64_t want = (uint64_t)((double)copy->total * part), seen = 0;

	if (!copy->total)
		return 0;
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		seen += copy->count[i];
		if (seen > want || seen == copy->total)
			return bucket_last(i);
	}
	return bucket_last(HIST_BUCKETS - 1);
}

void hist_write(const struct hist_copy *copy, double unit, FILE *f)
{
	uint64_t seen = 0;

	fputs("       Value     Percentile TotalCount 1/(1-Percentile)\n\n", f);
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		double part;

		if (!copy->count[i])
			continue;
		seen += copy->count[i];
		part = (double)seen / (double)copy->total;
		fprintf(f, "%12.6f %.12f %10llu", (double)bucket_last(i) / unit, part,
			(unsigned long long)seen);
		if (seen < copy->total)
			fprintf(f, " %14.2f\n", 1 / (1 - part));
		else
			fputs("            inf\n", f);
	}
	fprintf(f, "#[Total count = %llu]\n", (unsigned long long)copy->total);
}
