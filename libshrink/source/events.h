/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* What the kernel counts of limits that were hit: the texts of memory.events (v2) and
 * memory.oom_control (v1). Pure. */
#ifndef SHRINK_SOURCE_EVENTS_H
#define SHRINK_SOURCE_EVENTS_H

#include <stdint.h>

struct shrink_events {
	uint64_t reached; /* high + max */
	uint64_t oom;     /* oom + oom_kill + oom_group_kill */
};

/* Keys that are missing (0) or unknown differ from kernel to kernel and are fine. */
struct shrink_events shrink_events_parse(const char *text);

/* under_oom, and oom_kill, which kernels before 4.13 do not have; 0 where missing. */
void shrink_oom_parse(const char *text, uint64_t *ret_under, uint64_t *ret_kills);

#endif /* SHRINK_SOURCE_EVENTS_H */
