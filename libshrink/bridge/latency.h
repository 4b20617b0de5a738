/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* How long it took, in four steps to the octave: one writer, any reader. */
#ifndef SHRINK_BRIDGE_LATENCY_H
#define SHRINK_BRIDGE_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>

#define LATENCY_BUCKETS 160

struct latency {
	_Atomic uint32_t buckets[LATENCY_BUCKETS];
	_Atomic uint64_t max_nsec;
};

void shrink_latency_add(struct latency *l, uint64_t nsec);
/* Upper end of the step the median is in, at most the longest; 0: there is none. */
uint64_t shrink_latency_median(const struct latency *l);

#endif /* SHRINK_BRIDGE_LATENCY_H */
