// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Walks of the tree of groups: parents first; partial ones go on where the last one
 * stopped, share their position, and lose nobody while groups come and go. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libshrink/core/memcg-walk.h>

#include "tests/gcache.h"
#include "tests/harness.h"
#include "tests/random.h"

static struct shrink_memcg *group(struct shrink_memcg *parent, const char *name)
{
	struct shrink_memcg *memcg = shrink_memcg_create(parent, "%s", name);

	CU_ASSERT_FATAL(memcg != NULL);
	return memcg;
}

static void end(struct shrink_memcg *memcg)
{
	ASSERT_INT(atomic_load(&memcg->refs), 1); /* no walk holds it */
	ASSERT_INT(shrink_memcg_destroy(memcg), 0);
}

static struct shrink_memcg_walk walk(struct shrink_memcg *top, bool partial)
{
	return (struct shrink_memcg_walk){
		.top = top ? top : shrink_memcg_root_group,
		.all = true,
		.partial = partial,
		.nid = SHRINK_NUMA_NO_NODE,
	};
}

static void full_walks_go_parents_first(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(a, "b"), *c = group(a, "c"),
			    *d = group(b, "d"), *e = group(NULL, "e");
	struct shrink_memcg *all[] = {shrink_memcg_root(), a, b, d, c, e, NULL};
	struct shrink_memcg *below_a[] = {a, b, d, c, NULL};
	struct shrink_memcg_walk w = walk(NULL, false);

	for (int i = 0; i < 7; i++)
		CU_ASSERT(shrink_memcg_walk_next(&w) == all[i]);
	w = walk(a, false);
	for (int i = 0; i < 5; i++)
		CU_ASSERT(shrink_memcg_walk_next(&w) == below_a[i]);
	w = walk(a, false); /* without bits: the top alone */
	w.all = false;
	CU_ASSERT(shrink_memcg_walk_next(&w) == a && !shrink_memcg_walk_next(&w));
	w = walk(NULL, false); /* given up early */
	for (int i = 0; i < 3; i++)
		CU_ASSERT(shrink_memcg_walk_next(&w) == all[i]);
	shrink_memcg_walk_end(&w);
	end(d);
	end(c);
	end(b);
	end(a);
	end(e);
}

/* Each takes a few and stops: all come in turn, and once around it is over. */
static void partial_walks_go_on(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(a, "b"), *c = group(NULL, "c");
	struct shrink_memcg *order[] = {shrink_memcg_root(), a, b, c};
	struct shrink_memcg_walk w;

	for (int at = 0, round = 0; round < 20; round++) {
		int most = round % 5 + 1, i;

		w = walk(NULL, true);
		for (i = 0; i < most && i < 4; i++)
			CU_ASSERT(shrink_memcg_walk_next(&w) == order[(at + i) % 4]);
		if (most > 4) {
			CU_ASSERT(shrink_memcg_walk_next(&w) == NULL);
		} else {
			shrink_memcg_walk_end(&w);
		}
		at += i;
	}
	w = walk(a, true); /* another top has its own */
	CU_ASSERT(shrink_memcg_walk_next(&w) == a);
	shrink_memcg_walk_end(&w);
	w = walk(a, true);
	w.nid = 0; /* and each node */
	CU_ASSERT(shrink_memcg_walk_next(&w) == a);
	shrink_memcg_walk_end(&w);
	w = walk(a, true);
	CU_ASSERT(shrink_memcg_walk_next(&w) == b);
	shrink_memcg_walk_end(&w);
	end(b);
	end(a);
	end(c);
}

static void partial_walks_share(void)
{
	struct shrink_memcg *g[5];
	struct shrink_memcg_walk v, w;

	for (int i = 0; i < 5; i++)
		g[i] = group(i ? g[0] : NULL, "g");
	v = walk(g[0], true);
	CU_ASSERT(shrink_memcg_walk_next(&v) == g[0]);
	CU_ASSERT(shrink_memcg_walk_next(&v) == g[1]);
	w = walk(g[0], true);
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[2]); /* not g[0] again */
	CU_ASSERT(shrink_memcg_walk_next(&v) == g[3]);
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[4]);
	CU_ASSERT(shrink_memcg_walk_next(&v) == NULL); /* all have been asked since it began */
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[0]); /* g[0], g[1] were before its time */
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[1]);
	CU_ASSERT(shrink_memcg_walk_next(&w) == NULL);
	for (int i = 5; i--;)
		end(g[i]);
}

/* Where a walk stands, began, or was to end, goes away. */
static void groups_leave_positions(void)
{
	struct shrink_memcg *p = group(NULL, "p"), *g[4];
	struct shrink_memcg_walk w;

	for (int i = 0; i < 4; i++)
		g[i] = group(p, "g");
	w = walk(p, true);
	CU_ASSERT(shrink_memcg_walk_next(&w) == p);
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[0]);
	shrink_memcg_walk_end(&w);
	end(g[0]); /* the position, at rest */
	w = walk(p, true);
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[1]);
	ASSERT_INT(shrink_memcg_offline(g[1]), 0); /* under its feet */
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[2]);
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[3]);
	CU_ASSERT(shrink_memcg_walk_next(&w) == p);
	CU_ASSERT(shrink_memcg_walk_next(&w) == NULL);
	end(g[1]);

	w = walk(p, true); /* began after p; so it is to end there */
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[2]);
	shrink_memcg_walk_end(&w);
	w = walk(p, true);
	CU_ASSERT(shrink_memcg_walk_next(&w) == g[3]);
	CU_ASSERT(shrink_memcg_walk_next(&w) == p);
	end(g[2]); /* the last one it had to visit */
	CU_ASSERT(shrink_memcg_walk_next(&w) == NULL);
	end(g[3]);
	end(p);
}

/* ---- a model */

#define GROUPS 100
#define WALKS 5
#define STEPS 60000

static struct random rnd;
static struct {
	struct shrink_memcg *memcg;
	int parent;
	uint64_t born;
	uint64_t seen;       /* handed out last, to anybody; 0 = never */
	uint64_t got[WALKS]; /* to each */
} model[GROUPS];
static struct {
	bool running;
	struct shrink_memcg_walk w;
	uint64_t began;
	struct shrink_memcg *gone; /* the last that was */
} walker[WALKS];
static uint64_t now;

static int below(int n)
{
	return (int)random_below(&rnd, (uint64_t)n);
}

static int index_of(const struct shrink_memcg *memcg)
{
	for (int g = 0; memcg && g < GROUPS; g++)
		if (model[g].memcg == memcg)
			return g;
	return -1;
}

static bool has_children(int g)
{
	for (int k = 1; k < GROUPS; k++)
		if (model[k].memcg && model[k].parent == g)
			return true;
	return false;
}

static void come_or_go(void)
{
	int g = 1 + below(GROUPS - 1), parent;

	if (!model[g].memcg) {
		do
			parent = below(GROUPS);
		while (!model[parent].memcg);
		model[g].memcg = group(model[parent].memcg, "model");
		model[g].parent = parent;
		model[g].born = ++now;
		model[g].seen = 0;
		memset(model[g].got, 0, sizeof(model[g].got));
	} else if (!has_children(g)) {
		ASSERT_INT(shrink_memcg_destroy(model[g].memcg), 0);
		model[g].memcg = NULL; /* walkers may hold its memory still */
	}
}

/* Over: whoever was there when it began, and stayed, has been asked since; by a full
 * walk itself, else by anybody. */
static bool all_asked(int i)
{
	for (int g = 0; g < GROUPS; g++)
		if (model[g].memcg && model[g].born < walker[i].began &&
		    (walker[i].w.partial ? model[g].seen : model[g].got[i]) < walker[i].began)
			return false;
	return true;
}

/* Nobody gets it before all others had their turn. */
static bool is_its_turn(int g)
{
	for (int k = 0; k < GROUPS; k++)
		if (model[k].memcg && model[k].born < model[g].seen &&
		    model[k].seen < model[g].seen)
			return false;
	return true;
}

static bool one_more(int i)
{
	struct shrink_memcg *m = shrink_memcg_walk_next(&walker[i].w);
	int g = index_of(m);

	if (!m) {
		walker[i].running = false;
		return all_asked(i);
	}
	if (g < 0) { /* gone since a full walk took it, with others, in advance */
		bool again = m == walker[i].gone;

		walker[i].gone = m;
		return !walker[i].w.partial && !again;
	}
	if (model[g].got[i] >= walker[i].began) /* to the same walk twice */
		return false;
	model[g].got[i] = ++now;
	if (!walker[i].w.partial)
		return true;
	if (!is_its_turn(g))
		return false;
	model[g].seen = now;
	return true;
}

static bool one_step(void)
{
	int i = below(WALKS);

	if (below(3) == 0) {
		come_or_go();
	} else if (!walker[i].running) {
		walker[i].w = walk(NULL, below(4));
		walker[i].running = true;
		walker[i].gone = NULL;
		walker[i].began = ++now;
	} else if (below(20) == 0) {
		shrink_memcg_walk_end(&walker[i].w);
		walker[i].running = false;
	} else {
		return one_more(i);
	}
	return true;
}

static void as_the_model(void)
{
	bool right = true;
	int step;

	rnd = random_new();
	memset(model, 0, sizeof(model));
	model[0].memcg = shrink_memcg_root_group;
	for (step = 0; step < STEPS && right; step++)
		right = one_step();
	if (!right)
		printf("# TEST_SEED=%llu, step %d\n", (unsigned long long)rnd.seed, step);
	CU_ASSERT(right);
	for (int i = 0; i < WALKS; i++) {
		if (walker[i].running)
			shrink_memcg_walk_end(&walker[i].w);
		walker[i].running = false;
	}
	for (bool any = true; any;) {
		any = false;
		for (int g = 1; g < GROUPS; g++)
			if (model[g].memcg && !has_children(g)) {
				end(model[g].memcg);
				model[g].memcg = NULL;
				any = true;
			}
	}
	ASSERT_INT(shrink_memcg_count(), 0);
}

/* ---- what reclaim makes of it */

#define TENANTS 8

/* Small goals, one after the other: it is not always the first who pay. */
static void small_goals_take_turns(void)
{
	struct shrink_memcg *p = group(NULL, "p"), *g[TENANTS];
	struct gcache cache;

	sim_begin();
	gcache_new(&cache, SHRINKER_MEMCG_AWARE, "turns", 4096);
	for (int i = 0; i < TENANTS; i++) {
		g[i] = group(p, "tenant");
		ASSERT_INT(gcache_insert(&cache, g[i], 0, 100000), 0);
	}
	shrink_memcg_drain();
	cache.c.s->batch = 0;
	ASSERT_INT(shrinker_set_batch(cache.c.s, 1), 0);
	for (int i = 0; i < 40; i++) /* 32 objects each, 4 of every tenant */
		CU_ASSERT(shrink_memcg_reclaim(p, 100, NULL) >= 100);
	for (int i = 0; i < TENANTS; i++) {
		long gone = 100000 - gcache_objects(&cache, g[i]);

		CU_ASSERT(gone >= 40 * 32 / TENANTS / 2 && gone <= 40 * 32 / TENANTS * 2);
	}
	gcache_end(&cache);
	for (int i = 0; i < TENANTS; i++) {
		shrink_memcg_drain();
		end(g[i]);
	}
	end(p);
	sim_end();
}

/* ---- fork */

static struct shrink_memcg *forked_in;

/* In the child this walk is its own and goes on, while that of a thread which the
 * child does not have holds nothing any more. */
static void *other_walk(void *arg)
{
	struct shrink_memcg_walk *w = arg;

	CU_ASSERT(shrink_memcg_walk_next(w) == forked_in);
	return NULL;
}

static int child(struct shrink_memcg_walk *own, struct shrink_memcg *a, struct shrink_memcg *b)
{
	if (atomic_load(&a->refs) != 3 || atomic_load(&b->refs) != 1)
		return 1; /* creator, child and our own walk; its creator */
	if (shrink_memcg_walk_next(own) != b || shrink_memcg_walk_next(own))
		return 2;
	if (shrink_memcg_destroy(b) || atomic_load(&a->refs) != 1)
		return 3;
	return 0;
}

static void fork_amid_walks(void)
{
	struct shrink_memcg *a = group(NULL, "a"), *b = group(a, "b");
	struct shrink_memcg_walk own = walk(a, true), other = walk(a, true);
	pthread_t t;
	int status;
	pid_t pid;

	CU_ASSERT(shrink_memcg_walk_next(&own) == a);
	other.nid = 0;
	forked_in = a;
	CU_ASSERT_FATAL(!pthread_create(&t, NULL, other_walk, &other));
	pthread_join(t, NULL);
	ASSERT_INT(atomic_load(&a->refs), 4);
	pid = fork();
	if (!pid)
		_exit(child(&own, a, b));
	CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
	ASSERT_INT(status, 0);
	shrink_memcg_walk_end(&own);
	shrink_memcg_walk_end(&other);
	end(b);
	end(a);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"full walks go parents first", full_walks_go_parents_first},
		{"4.1: partial walks go on where the last one stopped", partial_walks_go_on},
		{"4.1: partial walks at once share the position", partial_walks_share},
		{"groups leave positions and ends", groups_leave_positions},
		{"4.1: as the model, groups coming and going", as_the_model},
		{"4.1: small goals take turns", small_goals_take_turns},
		{"G10: a fork amid walks", fork_amid_walks},
		{NULL, NULL},
	};

	return test_main(argc, argv, "memcg-walk", tests);
}
