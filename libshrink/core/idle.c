// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A cache that has given nothing in two rounds in a row - all of it in use, say - is
 * left out of the next one, then of 3, 7, at most 15: asking costs its locks and our
 * time. The first object it gives ends that. It is left out only while the others
 * are predicted to yield what is wanted, and a round that falls short asks all.
 *
 * Only rounds with a byte goal do this: others have the kernel's arithmetic (G2).
 * SHRINK_STOP is no such answer: there the cache could not look, and its work is put
 * off. Counters are relaxed: two rounds at once may lose a tick.
 */
#include <libshrink/core/core.h>

#define IDLE_ROUNDS 2
#define SKIP_SHIFT_MAX 4

bool shrink_idle_skips(struct shrink_pass *pass, struct shrinker_impl *s)
{
	unsigned int skip;

	if (!pass->event || pass->ask_all || pass->raw)
		return false;
	if (atomic_load_explicit(&s->skip_event, memory_order_relaxed) == pass->event)
		return true;
	if (!pass->planning)
		return false;
	skip = atomic_load_explicit(&s->skip, memory_order_relaxed);
	if (!skip)
		return false;
	atomic_store_explicit(&s->skip, skip - 1, memory_order_relaxed);
	atomic_store_explicit(&s->skip_event, pass->event, memory_order_relaxed);
	pass->left_out = true;
	return true;
}

void shrink_idle_learn(const struct shrink_pass *pass, struct shrinker_impl *s, uint64_t bytes)
{
	unsigned int idle;

	if (bytes) {
		atomic_store_explicit(&s->idle, 0, memory_order_relaxed);
		atomic_store_explicit(&s->skip, 0, memory_order_relaxed);
		return;
	}
	if (!pass->event ||
	    atomic_exchange_explicit(&s->idle_event, pass->event, memory_order_relaxed) ==
		    pass->event)
		return; /* counted in this round already */
	idle = atomic_load_explicit(&s->idle, memory_order_relaxed) + 1;
	atomic_store_explicit(&s->idle, idle, memory_order_relaxed);
	if (idle < IDLE_ROUNDS)
		return;
	idle = idle - IDLE_ROUNDS + 1;
	atomic_store_explicit(&s->skip, (1u << (idle < SKIP_SHIFT_MAX ? idle : SKIP_SHIFT_MAX)) - 1,
			      memory_order_relaxed);
}
