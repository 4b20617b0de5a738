// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <pthread.h>
#include <stdatomic.h>

#include <libshrink/base/atfork.h>

static _Atomic(const struct shrink_fork_hooks *) table[SHRINK_FORK_ORDERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int armed;
/* The hooks that prepare() has called: exactly these are undone, even if another
 * thread registers more meanwhile. Forks are one at a time from the gate on; the
 * hooks before it are registered with it or not at all. */
static const struct shrink_fork_hooks *forking[SHRINK_FORK_ORDERS];

static void prepare(void)
{
	for (int i = 0; i < SHRINK_FORK_ORDERS; i++) {
		const struct shrink_fork_hooks *h = atomic_load(&table[i]);

		if (h && h->prepare)
			h->prepare();
		forking[i] = h;
	}
}

static void parent(void)
{
	const struct shrink_fork_hooks *undo[SHRINK_FORK_ORDERS];

	for (int i = 0; i < SHRINK_FORK_ORDERS; i++)
		undo[i] = forking[i];
	for (int i = SHRINK_FORK_ORDERS - 1; i >= 0; i--)
		if (undo[i] && undo[i]->parent)
			undo[i]->parent();
}

static void child(void)
{
	for (int i = SHRINK_FORK_ORDERS - 1; i >= 0; i--)
		if (forking[i] && forking[i]->child)
			forking[i]->child();
}

int shrink_fork_register(enum shrink_fork_order order, const struct shrink_fork_hooks *hooks)
{
	int r = 0;

	if (atomic_load(&table[order]))
		return 0;
	pthread_mutex_lock(&lock);
	if (!armed) {
		r = -pthread_atfork(prepare, parent, child);
		armed = !r;
	}
	if (!r)
		atomic_store(&table[order], hooks);
	pthread_mutex_unlock(&lock);
	return r;
}
