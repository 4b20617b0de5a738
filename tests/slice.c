// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The numbers a slice goes through are not part of any interface, so they are
 * watched where the core asks its calculator: programs that use this file are
 * linked with --wrap for the two calls below. What runs is the core itself.
 */
#include <stdlib.h>
#include <string.h>

#include <libshrink/core/arith.h>
#include <libshrink/core/core.h>

#include "tests/slice.h"

void __real_shrink_arith_begin(struct shrink_slice *sl, const struct shrink_arith_how *how,
			       long freeable, long deferred);
void __wrap_shrink_arith_begin(struct shrink_slice *sl, const struct shrink_arith_how *how,
			       long freeable, long deferred);
long __real_shrink_arith_end(const struct shrink_slice *sl);
long __wrap_shrink_arith_end(const struct shrink_slice *sl);

static struct slice *watched;

void __wrap_shrink_arith_begin(struct shrink_slice *sl, const struct shrink_arith_how *how,
			       long freeable, long deferred)
{
	__real_shrink_arith_begin(sl, how, freeable, deferred);
	if (!watched)
		return;
	watched->computed++;
	watched->delta = sl->delta;
	watched->total_scan = sl->total_scan;
}

long __wrap_shrink_arith_end(const struct shrink_slice *sl)
{
	if (watched) {
		watched->total_left = sl->total_scan;
		watched->scanned = sl->scanned;
		slice_defer(watched, watched->between);
	}
	return __real_shrink_arith_end(sl);
}

static unsigned long count_objects(struct shrinker *s, struct shrink_control *sc)
{
	struct slice *sl = s->private_data;

	(void)sc;
	return sl->count;
}

static void note_call(struct slice *sl, unsigned long n)
{
	sl->nr_calls++;
	if (sl->nr_runs && sl->calls[sl->nr_runs - 1].n == n) {
		sl->calls[sl->nr_runs - 1].times++;
		return;
	}
	if (sl->nr_runs == sl->room) {
		sl->room = sl->room ? 2 * sl->room : 8;
		sl->calls = realloc(sl->calls, sl->room * sizeof(*sl->calls));
		if (!sl->calls)
			abort();
	}
	sl->calls[sl->nr_runs++] = (struct slice_call){.n = n, .times = 1};
}

static unsigned long scan_objects(struct shrinker *s, struct shrink_control *sc)
{
	struct slice *sl = s->private_data;

	note_call(sl, sc->nr_to_scan);
	if (sc->nr_scanned != sc->nr_to_scan) /* set so before every call */
		abort();
	return sl->scan(sl, sc->nr_to_scan, &sc->nr_scanned);
}

static struct shrinker *make(struct slice *sl)
{
	struct shrinker *s = shrinker_alloc(0, "slice");

	if (!s)
		return NULL;
	s->count_objects = count_objects;
	s->scan_objects = scan_objects;
	s->private_data = sl;
	s->seeks = sl->seeks;
	s->batch = sl->batch;
	if (!shrinker_register(s))
		return s;
	shrinker_free(s);
	return NULL;
}

static int slice_in_gate(struct slice *sl)
{
	struct shrinker_impl *impl = shrinker_impl(sl->s);
	struct shrink_pass pass = {
		.gfp_mask = SHRINK_GFP_ALL,
		.memcg = shrink_memcg_root(),
		.how = {.variant = sl->variant ? SHRINK_ARITH_5_0 : SHRINK_ARITH_5_13,
			.priority = sl->priority},
		.generation = shrink_gate_generation(),
	};

	if (!shrinker_try_get(impl))
		return -1;
	watched = sl;
	sl->freed = shrink_do_slice(&pass, impl, 0);
	watched = NULL;
	sl->deferred_after = atomic_load(&shrinker_slot(impl, 0)->nr_deferred);
	shrinker_put(impl);
	return 0;
}

int slice_run(struct slice *sl)
{
	static unsigned int runs;
	int r = -1;

	sl->s = make(sl);
	if (!sl->s)
		return -1;
	slice_defer(sl, sl->deferred_before);
	shrink_gate_open();
	if (shrink_gate_enter()) {
		r = slice_in_gate(sl);
		shrink_gate_exit();
	}
	shrink_gate_close(0);
	shrinker_free(sl->s);
	if (++runs % 256 == 0)
		shrink_registry_drain(true);
	sl->s = NULL;
	return r;
}

void slice_release(struct slice *sl)
{
	free(sl->calls);
	sl->calls = NULL;
	sl->nr_runs = sl->room = 0;
}

void slice_defer(struct slice *sl, int64_t objects)
{
	atomic_fetch_add(&shrinker_slot(shrinker_impl(sl->s), 0)->nr_deferred, (long)objects);
}
