/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Owners: caches that only one thread may touch (an event loop, a SQLite
 * connection, a Lua state).
 *
 * The owner publishes the counts of its shrinkers with shrinker_set_count();
 * reclaim never calls their callbacks but posts one bounded request per owner
 * and makes the owner's descriptor readable; the loop calls shrink_owner_run(),
 * and the scans run there. A request is outstanding until it is answered or
 * until its deadline has passed; meanwhile no second one is posted, reclaim does
 * not press harder because of it, and what is not answered returns to the
 * shrinker's deferred work, as the kernel defers. Pressure that is over takes
 * its request back.
 */
#ifndef SHRINK_OWNER_H
#define SHRINK_OWNER_H

#include <shrink/shrinker.h>

SHRINK_BEGIN_DECLS

/**
 * shrink_owner_create() - an owner and its descriptor
 *
 * Return: the owner, the caller's until shrink_owner_destroy(); NULL with errno
 * = EMFILE, ENFILE or ENOMEM.
 */
SHRINK_NODISCARD struct shrink_owner *shrink_owner_create(void);

/**
 * shrink_owner_destroy() - release an owner; NULL is fine
 *
 * Return: 0; -EBUSY: shrinkers of this owner are not freed yet, nothing done.
 */
int shrink_owner_destroy(struct shrink_owner *owner);

/**
 * shrink_owner_fd() - the descriptor to watch for reading
 *
 * An eventfd, non-blocking and close-on-exec, the library's: never read, write
 * or close it. Readable while a request waits.
 *
 * Return: the descriptor, or -EINVAL.
 */
int shrink_owner_fd(const struct shrink_owner *owner);

/**
 * shrink_owner_run() - answer what is asked of this owner's shrinkers
 * @budget_usec: time limit, looked at between batches; 0 = none
 *
 * Runs scan callbacks on the calling thread, which must be the one that may
 * touch the caches. What the budget leaves over stays posted, and the
 * descriptor stays readable. A no-op from inside a callback.
 *
 * Return: objects freed, 0 or more; -EINVAL: NULL; -EDEADLK: called from a
 * callback.
 */
long shrink_owner_run(struct shrink_owner *owner, uint64_t budget_usec);

SHRINK_END_DECLS

#endif /* SHRINK_OWNER_H */
