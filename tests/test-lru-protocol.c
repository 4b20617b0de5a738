// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The bit that says "there are objects here" is set by whoever adds the first one and
 * cleared by the shrinker that found none (drawn in libshrink/core/memcg-map.c). All
 * interleavings of the two, on a machine that holds back stores: each thread has a
 * buffer, whose entries become visible at any time, in order only for one location,
 * unless a fence has emptied it. With both fences no object is ever without its bit;
 * without either one some are. tests/test-lru-litmus.sh does it with the real code on
 * the real machine, which may be stronger than this one.
 */
#include <string.h>

#include "tests/harness.h"

enum place { NR, BIT, PLACES };
enum op { STORE, FENCE, LOAD, END_IF_NOT_0, END_IF_0, END };

struct instruction {
	enum op op;
	enum place place;
	int value;
};

/* shrink_lru_add() with shrink_memcg_set_bit_id(), which looks before it sets. */
static const struct instruction inserter[] = {
	{STORE, NR, 1}, {FENCE, 0, 0}, {LOAD, BIT, 0}, {END_IF_NOT_0, 0, 0}, {STORE, BIT, 1},
	{END, 0, 0},
};

/* A visit that found nothing, with clear_and_recheck(). */
static const struct instruction shrinker[] = {
	{LOAD, NR, 0}, {END_IF_NOT_0, 0, 0}, {STORE, BIT, 0}, {FENCE, 0, 0}, {LOAD, NR, 0},
	{END_IF_0, 0, 0}, {FENCE, 0, 0}, {LOAD, BIT, 0}, {END_IF_NOT_0, 0, 0}, {STORE, BIT, 1},
	{END, 0, 0},
};

struct thread {
	const struct instruction *at;
	int loaded;
	int nr; /* stores held back, oldest first */
	struct instruction held[3];
};

struct machine {
	int memory[PLACES];
	struct thread thread[2];
};

static int fenced[2];
static unsigned long ends, lost;

static void explore(const struct machine *m);

static int load(const struct machine *m, const struct thread *t, enum place place)
{
	int value = m->memory[place];

	for (int i = 0; i < t->nr; i++)
		if (t->held[i].place == place)
			value = t->held[i].value;
	return value;
}

/* The next instruction of a thread; 0: it is at its end or has to wait. */
static int execute(struct machine *m, int who)
{
	struct thread *t = &m->thread[who];
	const struct instruction *i = t->at++;

	switch (i->op) {
	case STORE:
		t->held[t->nr++] = *i;
		return 1;
	case FENCE:
		return !fenced[who] || !t->nr;
	case LOAD:
		t->loaded = load(m, t, i->place);
		return 1;
	case END_IF_0:
	case END_IF_NOT_0:
		while (!t->loaded == (i->op == END_IF_0) && t->at->op != END)
			t->at++;
		return 1;
	default:
		return 0;
	}
}

/* Held store @i of a thread becomes visible; 0: an older one of the place is first. */
static int drain(struct machine *m, int who, int i)
{
	struct thread *t = &m->thread[who];

	for (int k = 0; k < i; k++)
		if (t->held[k].place == t->held[i].place)
			return 0;
	m->memory[t->held[i].place] = t->held[i].value;
	t->nr--;
	memmove(&t->held[i], &t->held[i + 1], (size_t)(t->nr - i) * sizeof(t->held[0]));
	return 1;
}

static int explore_thread(const struct machine *m, int who)
{
	struct machine next = *m;
	int moved = execute(&next, who);

	if (moved)
		explore(&next);
	for (int i = 0; i < m->thread[who].nr; i++) {
		next = *m;
		if (drain(&next, who, i)) {
			explore(&next);
			moved = 1;
		}
	}
	return moved;
}

static void explore(const struct machine *m)
{
	int moved = explore_thread(m, 0) + explore_thread(m, 1);

	if (moved)
		return;
	ends++;
	lost += m->memory[NR] && !m->memory[BIT];
}

static unsigned long objects_lost(int inserter_fenced, int shrinker_fenced)
{
	fenced[0] = inserter_fenced;
	fenced[1] = shrinker_fenced;
	ends = lost = 0;
	for (int bit = 0; bit < 2; bit++)
		explore(&(struct machine){.memory = {0, bit},
					  .thread = {{.at = inserter}, {.at = shrinker}}});
	CU_ASSERT(ends > 100);
	return lost;
}

static void both(void)
{
	ASSERT_INT(objects_lost(1, 1), 0);
}

static void no_inserters(void)
{
	CU_ASSERT(objects_lost(0, 1) > 0);
}

static void no_shrinkers(void)
{
	CU_ASSERT(objects_lost(1, 0) > 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"with both fences no object is without its bit", both},
		{"broken twin: without the inserter's fence", no_inserters},
		{"broken twin: without the shrinker's fence", no_shrinkers},
		{NULL, NULL},
	};

	return test_main(argc, argv, "lru-protocol", tests);
}
