/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The latest rounds, in a ring: what statistics, tools and tests read. */
#ifndef SHRINK_RECLAIM_RECORD_H
#define SHRINK_RECLAIM_RECORD_H

#include <shrink/stats.h>

void shrink_record_add(const struct shrink_round *round);
void shrink_record_fork_prepare(void);
void shrink_record_fork_done(void);

#endif /* SHRINK_RECLAIM_RECORD_H */
