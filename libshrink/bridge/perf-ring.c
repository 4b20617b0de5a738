// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <linux/perf_event.h>
#include <string.h>

#include <libshrink/bridge/perf-ring.h>

/* As os/perf.c asks for them. */
struct sample {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t nsec;
	uint32_t size;
};
struct lost {
	struct perf_event_header header;
	uint64_t id, lost;
};
/* Last in every record that is not a sample. */
struct trailer {
	uint32_t pid, tid;
	uint64_t nsec;
};

void shrink_perf_ring_init(struct perf_ring *ring, void *map, size_t page, size_t size)
{
	*ring = (struct perf_ring){.map = map, .data = (const char *)map + page, .size = size};
}

void shrink_perf_ring_snapshot(struct perf_ring *ring)
{
	struct perf_event_mmap_page *control = ring->map;

	/* pairs with the kernel's barrier between a record and the head behind it */
	ring->head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
}

void shrink_perf_ring_release(struct perf_ring *ring)
{
	struct perf_event_mmap_page *control = ring->map;

	/* pairs with the kernel's, between the tail and what it writes over */
	__atomic_store_n(&control->data_tail, ring->tail, __ATOMIC_RELEASE);
}

void shrink_perf_ring_skip(struct perf_ring *ring, const struct perf_record *record)
{
	ring->tail = record->next;
}

static void copy_out(const struct perf_ring *ring, uint64_t at, void *to, size_t size)
{
	uint64_t offset = at & (ring->size - 1), first = ring->size - offset;

	if (first > size)
		first = size;
	memcpy(to, ring->data + offset, first);
	memcpy((char *)to + first, ring->data, size - first);
}

static void read_sample(struct perf_record *record, size_t size)
{
	struct sample sample;

	memcpy(&sample, record->copy, sizeof(sample));
	record->pid = sample.pid;
	record->tid = sample.tid;
	record->nsec = sample.nsec;
	record->size = sample.size;
	if (record->size <= size - offsetof(struct sample, size) - sizeof(sample.size))
		record->fields = record->copy + offsetof(struct sample, size) + sizeof(sample.size);
}

static void read_other(struct perf_record *record, uint32_t type, size_t size)
{
	struct trailer trailer;
	struct lost lost;

	if (size < sizeof(struct perf_event_header) + sizeof(trailer))
		return;
	memcpy(&trailer, record->copy + size - sizeof(trailer), sizeof(trailer));
	record->nsec = trailer.nsec;
	if (type != PERF_RECORD_LOST || size < sizeof(lost) + sizeof(trailer))
		return;
	memcpy(&lost, record->copy, sizeof(lost));
	record->lost = lost.lost;
}

int shrink_perf_ring_peek(struct perf_ring *ring, struct perf_record *record)
{
	uint64_t there = ring->head - ring->tail;
	struct perf_event_header header;

	if (there < sizeof(header) || there > ring->size) {
		ring->tail = ring->head;
		return 0;
	}
	copy_out(ring, ring->tail, &header, sizeof(header));
	if (header.size < sizeof(header) || header.size > there ||
	    header.size > sizeof(record->copy)) {
		ring->tail = ring->head;
		return 0;
	}
	copy_out(ring, ring->tail, record->copy, header.size);
	record->next = ring->tail + header.size;
	record->fields = NULL;
	record->nsec = record->lost = 0;
	record->pid = record->tid = record->size = 0;
	if (header.type == PERF_RECORD_SAMPLE && header.size >= sizeof(struct sample))
		read_sample(record, header.size);
	else
		read_other(record, header.type, header.size);
	return 1;
}
