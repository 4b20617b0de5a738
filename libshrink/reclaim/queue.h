/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Goals that wait for the worker: a visit, which somebody else has bounded; one for the
 * process, into which all merge; and those of groups behind it. The engine's lock is
 * held around each call.
 */
#ifndef SHRINK_RECLAIM_QUEUE_H
#define SHRINK_RECLAIM_QUEUE_H

#include <libshrink/reclaim/round.h>

void shrink_queue_add(const struct shrink_goal *goal);
bool shrink_queue_any(void);
/* The visit, then the process, then its groups; false: nothing waits. Whoever takes a
 * goal puts its group afterwards. */
bool shrink_queue_take(struct shrink_goal *ret_goal);
void shrink_queue_clear(void);

#endif /* SHRINK_RECLAIM_QUEUE_H */
