// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/bridge/latency.h>

/* Microseconds 0 to 3 one by one, then 4 5 6 7, 8-9 10-11 12-13 14-15, and so on. */
static unsigned int bucket_of(uint64_t usec)
{
	unsigned int octave, bucket;

	if (usec < 4)
		return (unsigned int)usec;
	octave = 63 - (unsigned int)__builtin_clzll(usec);
	bucket = 4 * (octave - 1) + ((unsigned int)(usec >> (octave - 2)) & 3);
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* First microsecond that is beyond the bucket. */
static uint64_t end_of(unsigned int bucket)
{
	if (bucket < 4)
		return bucket + 1;
	return (uint64_t)(4 + bucket % 4 + 1) << (bucket / 4 - 1);
}

void shrink_latency_add(struct latency *l, uint64_t nsec)
{
	atomic_fetch_add_explicit(&l->buckets[bucket_of(nsec / NSEC_PER_USEC)], 1,
				  memory_order_relaxed);
	if (nsec > atomic_load_explicit(&l->max_nsec, memory_order_relaxed))
		atomic_store_explicit(&l->max_nsec, nsec, memory_order_relaxed);
}

uint64_t shrink_latency_median(const struct latency *l)
{
	uint64_t total = 0, sum = 0, max = atomic_load_explicit(&l->max_nsec, memory_order_relaxed);

	for (int i = 0; i < LATENCY_BUCKETS; i++)
		total += atomic_load_explicit(&l->buckets[i], memory_order_relaxed);
	for (unsigned int i = 0; i < LATENCY_BUCKETS && total; i++) {
		sum += atomic_load_explicit(&l->buckets[i], memory_order_relaxed);
		if (2 * sum >= total)
			return shrink_min_u64(end_of(i) * NSEC_PER_USEC, max);
	}
	return 0;
}
