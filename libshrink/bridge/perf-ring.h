/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The ring that the kernel writes records of tracepoints into, of one processor: the
 * consumer's side of it. The kernel advances the head and never overtakes the tail; what
 * does not fit is lost, and a record says how many were.
 *
 * What is in the ring is believed as far as it is inside: a length that is not ends the
 * reading, and the rest is thrown away.
 */
#ifndef SHRINK_BRIDGE_PERF_RING_H
#define SHRINK_BRIDGE_PERF_RING_H

#include <stddef.h>
#include <stdint.h>

/* Longest record that is taken; a tracepoint's has some hundred bytes. */
#define PERF_RECORD_MAX 512

struct perf_ring {
	void *map;	     /* a page that is the kernel's struct, then data */
	const char *data;
	uint64_t size;	     /* of data: a power of two */
	uint64_t head, tail; /* as snapshot() has seen it; as read so far */
};

struct perf_record {
	uint64_t nsec;	    /* CLOCK_MONOTONIC */
	uint64_t lost;	    /* not a sample: so many were lost before it */
	uint32_t pid, tid;  /* whose task */
	const char *fields; /* the tracepoint's, NULL where it is not a sample */
	uint32_t size;	    /* of fields */
	uint64_t next;	    /* tail behind it */
	char copy[PERF_RECORD_MAX]; /* where it lies across the ring's end */
};

void shrink_perf_ring_init(struct perf_ring *ring, void *map, size_t page, size_t size);
/* What is there until now can be read: everything written before this call. */
void shrink_perf_ring_snapshot(struct perf_ring *ring);
/* The next record, which stays: 1, or 0 if there is none in the snapshot. What is neither
 * a sample nor a loss comes without fields and lost. */
int shrink_perf_ring_peek(struct perf_ring *ring, struct perf_record *ret_record);
void shrink_perf_ring_skip(struct perf_ring *ring, const struct perf_record *record);
/* What was read may be written over. */
void shrink_perf_ring_release(struct perf_ring *ring);

#endif /* SHRINK_BRIDGE_PERF_RING_H */
