/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Tracepoints through perf_event_open(): one descriptor for each of them on each
 * processor, and one ring of records for each processor. Every record has the task, the
 * time (CLOCK_MONOTONIC) and the tracepoint's raw fields; what is in a ring is read by
 * bridge/perf-ring.h.
 */
#ifndef SHRINK_OS_PERF_H
#define SHRINK_OS_PERF_H

#include <stddef.h>
#include <stdint.h>

/* Number of processors there may be; those that are off cannot be opened (-ENODEV). */
int shrink_os_cpus(void);

/* Records of tracepoint number @id on processor @cpu, of whatever task; not yet enabled.
 * A descriptor, or a negative errno: -EACCES, -EPERM: needs CAP_PERFMON; -ENOENT: no
 * such tracepoint; -ENODEV: the processor is off; -EMFILE; -ENOSYS. */
int shrink_os_perf_open(uint64_t id, int cpu);

/* The descriptor's own ring of @bytes, a power of two of whole pages: NULL with errno.
 * Its first page is the kernel's struct perf_event_mmap_page. All are touched now, and a
 * forked child has none of them. */
void *shrink_os_perf_map(int fd, size_t bytes);
void shrink_os_perf_unmap(void *map, size_t bytes);

/* Records of @fd go to the ring of @ring_fd, of the same processor. */
int shrink_os_perf_join(int fd, int ring_fd);
int shrink_os_perf_enable(int fd);

#endif /* SHRINK_OS_PERF_H */
