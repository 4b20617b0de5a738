/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The monitor's judgement: from signals and gauges to a level and a goal. */
#ifndef SHRINK_SOURCE_JUDGE_H
#define SHRINK_SOURCE_JUDGE_H

#include <stdbool.h>

#include <libshrink/source/source.h>

/* Two signals of one turn become one: the graver of each. */
void shrink_judge_merge(struct shrink_signal *into, const struct shrink_signal *from);
/* Looks at the gauges if they are due or a signal says so; publishes level and
 * room; posts what has to be done. @edge_watched: something wakes us at the low
 * watermark, so that sampling need not. True if it looked. */
bool shrink_judge(uint64_t now, const struct shrink_signal *sig, bool edge_watched);
/* When it wants to be asked again. */
uint64_t shrink_judge_next(void);
void shrink_judge_reset(void);

#endif /* SHRINK_SOURCE_JUDGE_H */
