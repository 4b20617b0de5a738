/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The bridge through perf_event_open(): the same tracepoints as the programs' (follow.bpf.c)
 * for kernels without type information or where programs may not be loaded, but records
 * may be read (CAP_PERFMON, or root; and tracefs). It knows less and costs more: who is
 * reclaimed is taken from who does it (attribute.h), and every slice of the machine's is a
 * record in our rings, which wake us.
 *
 * One descriptor for each tracepoint and processor, one ring for each processor. The rings
 * are read in the order of time, since a task may go from one processor to another between
 * the begin of its reclaim and a slice. A processor that is switched on later is not seen.
 */
#ifndef SHRINK_BRIDGE_PERF_H
#define SHRINK_BRIDGE_PERF_H

#include <libshrink/bridge/bridge.h>

int shrink_perf_open(const struct shrink_bridge_who *who, char *reason, size_t size);
int shrink_perf_moved(const struct shrink_bridge_who *who, char *reason, size_t size);
void shrink_perf_close(void);
int shrink_perf_fd(void);
int shrink_perf_take(shrink_bridge_fn fn, void *arg);
bool shrink_perf_due(void);
int shrink_perf_chore(void);

#endif /* SHRINK_BRIDGE_PERF_H */
