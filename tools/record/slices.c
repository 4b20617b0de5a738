// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <limits.h>
#include <stdlib.h>

#include "tools/record/slices.h"

#define SEEKS_DEFAULT 2

struct task {
	uint32_t tid;
	int in_slice;
	struct slice_start start;
};

struct shrinker {
	uint64_t shrinker; /* 0: the place is free */
	int64_t lo, hi;
	int zero;
	unsigned int nr;
	struct slice_row *held;
};

struct slices {
	slices_fn fn;
	void *arg;
	struct task tasks[SLICES_TASKS];
	struct shrinker shrinkers[SLICES_SHRINKERS];
};

void slices_seeks(const struct slice_start *start, int64_t *ret_lo, int64_t *ret_hi, int *ret_zero)
{
	uint64_t delta = (uint64_t)start->delta;
	uint64_t freeable = (uint64_t)start->freeable;
	uint64_t all = (freeable >> start->priority) * 4;
	uint64_t lo, hi;

	/* delta * seeks <= all < (delta + 1) * seeks */
	lo = delta == UINT64_MAX ? 1 : all / (delta + 1) + 1;
	hi = delta ? all / delta : INT_MAX;
	*ret_lo = lo > INT_MAX ? (int64_t)INT_MAX + 1 : (int64_t)lo;
	*ret_hi = hi > INT_MAX ? INT_MAX : (int64_t)hi;
	*ret_zero = delta == freeable / 2;
}

struct slices *slices_new(slices_fn fn, void *arg)
{
	struct slices *s = calloc(1, sizeof(*s));

	if (s) {
		s->fn = fn;
		s->arg = arg;
	}
	return s;
}

static int64_t choice(const struct shrinker *sh)
{
	if (sh->lo <= SEEKS_DEFAULT && SEEKS_DEFAULT <= sh->hi)
		return SEEKS_DEFAULT;
	if (sh->lo <= sh->hi)
		return sh->lo;
	return sh->zero ? 0 : SEEKS_DEFAULT;
}

static int is_settled(const struct shrinker *sh)
{
	return sh->lo == sh->hi ? !sh->zero : sh->lo > sh->hi;
}

static void tell_held(struct slices *s, struct shrinker *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		s->fn(s->arg, &sh->held[i], choice(sh));
	sh->nr = 0;
}

static void narrow(struct slices *s, struct shrinker *sh, const struct slice_start *start)
{
	int64_t lo, hi;
	int zero;

	slices_seeks(start, &lo, &hi, &zero);
	if ((lo > sh->hi || hi < sh->lo || lo > hi) && !(zero && sh->zero)) {
		tell_held(s, sh);
		sh->lo = lo;
		sh->hi = hi;
		sh->zero = zero;
		return;
	}
	sh->lo = lo > sh->lo ? lo : sh->lo;
	sh->hi = hi < sh->hi ? hi : sh->hi;
	sh->zero &= zero;
}

static struct shrinker *find(struct slices *s, uint64_t shrinker)
{
	for (unsigned int i = 0; i < SLICES_SHRINKERS; i++) {
		struct shrinker *sh =
			&s->shrinkers[(shrinker / 64 + i) % SLICES_SHRINKERS];

		if (sh->shrinker == shrinker)
			return sh;
		if (sh->shrinker)
			continue;
		*sh = (struct shrinker){.shrinker = shrinker, .lo = 1, .hi = INT_MAX, .zero = 1};
		sh->held = calloc(SLICES_HELD, sizeof(*sh->held));
		return sh;
	}
	return NULL;
}

static void add_row(struct slices *s, const struct slice_row *row)
{
	struct shrinker *sh = find(s, row->start.shrinker);
	struct shrinker alone = {.lo = 1, .hi = INT_MAX, .zero = 1};

	if (!sh || !sh->held) { /* no room: by itself */
		narrow(s, &alone, &row->start);
		s->fn(s->arg, row, choice(&alone));
		return;
	}
	narrow(s, sh, &row->start);
	sh->held[sh->nr++] = *row;
	if (is_settled(sh) || sh->nr == SLICES_HELD)
		tell_held(s, sh);
}

/* Its place, or one that is free; NULL: too many. */
static struct task *task_of(struct slices *s, uint32_t tid)
{
	struct task *place = NULL;

	for (unsigned int i = 0; i < SLICES_TASKS; i++) {
		struct task *t = &s->tasks[(tid + i) % SLICES_TASKS];

		if (t->in_slice && t->tid == tid)
			return t;
		if (!t->in_slice && !place)
			place = t;
		if (!t->in_slice && !t->tid) /* never used: nothing lies behind it */
			break;
	}
	return place;
}

void slices_started(struct slices *s, uint32_t tid, const struct slice_start *start)
{
	struct task *t = task_of(s, tid);

	if (t)
		*t = (struct task){.tid = tid, .in_slice = 1, .start = *start};
}

void slices_ended(struct slices *s, uint32_t tid, const struct slice_end *end)
{
	struct task *t = task_of(s, tid);

	if (!t || !t->in_slice)
		return; /* it began before us */
	t->in_slice = 0;
	if (t->start.shrinker == end->shrinker && t->start.deferred == end->deferred)
		add_row(s, &(struct slice_row){t->start, *end});
}

void slices_lost(struct slices *s)
{
	for (unsigned int i = 0; i < SLICES_TASKS; i++)
		s->tasks[i].in_slice = 0;
}

void slices_flush(struct slices *s)
{
	for (unsigned int i = 0; i < SLICES_SHRINKERS; i++)
		tell_held(s, &s->shrinkers[i]);
}

void slices_free(struct slices *s)
{
	for (unsigned int i = 0; s && i < SLICES_SHRINKERS; i++)
		free(s->shrinkers[i].held);
	free(s);
}
