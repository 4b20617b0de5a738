// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * LRU lists against a model: objects are added, deleted, walked and reclaimed while
 * groups come, go and come again under the same ids, now and then without memory.
 * After every step each object is on exactly one list, every count is right, and
 * whatever is not empty has its bit; now and then the order is compared as well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/lru/list_lru.h>
#include <libshrink/os/alloc.h>
#include <shrink/shrink.h>

#include "tests/cache.h"
#include "tests/harness.h"
#include "tests/random.h"

#define NODES  4
#define GROUPS 40 /* 0: the root */
#define ITEMS  120
#define STEPS  300000

struct object {
	struct shrink_lru_item item;
	int handle; /* group it was added through; -1: on no list */
	int nid;
};

struct group {
	struct shrink_memcg *memcg; /* NULL: slot in no use */
	int parent, children;
	int users;      /* objects added through it */
	bool online;
	bool own;       /* has lists of its own */
	bool borrower;  /* was added to without */
};

/* What the lists should be: oldest first. */
struct queue {
	int nr, at[ITEMS];
};

static struct {
	struct random random;
	struct shrinker *s;
	struct shrink_lru *lru;
	struct object objects[ITEMS];
	struct group groups[GROUPS];
	struct queue queues[GROUPS][NODES];
	unsigned long wrong, offlined, borrowed, rotated, removed, retried, passes, recycled;
	int verdict; /* of all objects; -1: by chance */
	int seen[ITEMS], nr_seen;
} m;

static int below(unsigned int n)
{
	return (int)random_below(&m.random, n);
}

static void expect(bool right, const char *what)
{
	if (!right && m.wrong++ < 10)
		fprintf(stderr, "# %s (TEST_SEED=%llu)\n", what, (unsigned long long)m.random.seed);
}

/* The group on whose list what is added through @g goes. */
static int place(int g)
{
	while (g && (!m.groups[g].online || !m.groups[g].own))
		g = m.groups[g].parent;
	return g;
}

static struct queue *queue_of(const struct object *o)
{
	return &m.queues[place(o->handle)][o->nid];
}

static void queue_drop(struct queue *q, int i)
{
	int k = 0;

	while (k < q->nr && q->at[k] != i)
		k++;
	expect(k < q->nr, "an object is not where the model has it");
	if (k == q->nr)
		return;
	memmove(&q->at[k], &q->at[k + 1], (size_t)(q->nr - k - 1) * sizeof(q->at[0]));
	q->nr--;
}

/* A slot of a group that is offline is free once nobody has its handle. */
static void let_go(int g)
{
	struct group *group = &m.groups[g];
	int parent = group->parent;

	if (!g || group->online || group->users || group->children)
		return;
	shrink_memcg_put(group->memcg);
	memset(group, 0, sizeof(*group));
	m.groups[parent].children--;
	let_go(parent);
}

static void forget(struct object *o)
{
	int g = o->handle;

	queue_drop(queue_of(o), (int)(o - m.objects));
	o->handle = -1;
	m.groups[g].users--;
	let_go(g);
}

/* ---- steps */
static int any_group(void)
{
	int g = below(GROUPS);

	return m.groups[g].memcg ? g : 0;
}

static void look_for_lists(int g)
{
	for (; g; g = m.groups[g].parent) {
		struct group *group = &m.groups[g];
		bool own = shrink_lru_own(m.lru, group->memcg, 0);

		expect(group->online || !own, "a group that is offline has a list");
		expect(!group->borrower || !own, "a borrower got a list");
		expect(own || !group->own || !group->online, "a group lost its list");
		group->own = own;
	}
}

/* One of the next allocations fails; spare lists are freed with the lru all the same. */
static void maybe_poor(void)
{
	if (below(8))
		return;
	m.lru->spare = NULL;
	shrink_os_alloc_fail(1 + random_below(&m.random, 3));
}

static void add(void)
{
	int i = below(ITEMS), g = any_group(), nid = below(NODES);
	struct object *o = &m.objects[i];
	int r;

	maybe_poor();
	if (o->handle >= 0)
		nid = o->nid, g = o->handle;
	r = shrink_lru_add(m.lru, &o->item, nid, m.groups[g].memcg);
	shrink_os_alloc_fail(0);
	expect(r == (o->handle < 0), "add");
	look_for_lists(g);
	if (o->handle >= 0)
		return;
	for (int b = g; b; b = m.groups[b].parent)
		if (m.groups[b].online && !m.groups[b].own && !m.groups[b].borrower) {
			m.groups[b].borrower = true;
			m.borrowed++;
		}
	o->handle = g;
	o->nid = nid;
	m.groups[g].users++;
	queue_of(o)->at[queue_of(o)->nr++] = i;
}

static void del(void)
{
	struct object *o = &m.objects[below(ITEMS)];
	int g = o->handle < 0 ? any_group() : o->handle;

	/* through the group it is on now as well as the one it was added through */
	if (o->handle >= 0 && below(2))
		g = place(g);
	expect(shrink_lru_del(m.lru, &o->item, o->nid, m.groups[g].memcg) == (o->handle >= 0),
	       "del");
	if (o->handle >= 0)
		forget(o);
}

static enum shrink_lru_status answer(struct shrink_lru_item *item, struct shrink_lru_one *list,
				     void *head)
{
	struct object *o = shrink_container_of(item, struct object, item);
	int verdict = m.verdict < 0 ? below(SHRINK_LRU_STOP + 1) : m.verdict;
	struct queue *q = queue_of(o);

	if (m.nr_seen < ITEMS)
		m.seen[m.nr_seen++] = (int)(o - m.objects);
	switch ((enum shrink_lru_status)verdict) {
	case SHRINK_LRU_REMOVED:
	case SHRINK_LRU_REMOVED_RETRY:
		if (below(2))
			shrink_lru_isolate(list, item);
		else
			shrink_lru_isolate_move(list, item, head);
		queue_drop(q, (int)(o - m.objects));
		m.groups[o->handle].users--; /* its slot stays till the next step */
		o->handle = -1;
		m.removed++;
		break;
	case SHRINK_LRU_ROTATE:
		queue_drop(q, (int)(o - m.objects));
		q->at[q->nr++] = (int)(o - m.objects);
		m.rotated++;
		break;
	default:
		break;
	}
	if (verdict == SHRINK_LRU_REMOVED_RETRY || verdict >= SHRINK_LRU_RETRY)
		shrink_lru_unlock(list);
	m.retried += verdict == SHRINK_LRU_RETRY;
	return (enum shrink_lru_status)verdict;
}

static void after_walk(struct shrink_lru_head *head)
{
	unsigned long n = head->nr;

	for (; shrink_lru_pop(head); n--)
		;
	expect(!n, "the private list's count");
	for (int g = GROUPS - 1; g > 0; g--)
		if (m.groups[g].memcg)
			let_go(g);
}

static void walk(void)
{
	struct shrink_lru_head head = {NULL, NULL, 0};
	unsigned long budget = random_below(&m.random, 20), before = budget;
	unsigned long removed, was = m.removed;
	int g = any_group(), nid = below(NODES);

	m.verdict = -1;
	m.nr_seen = 0;
	removed = below(2) ?
		shrink_lru_walk_one(m.lru, nid, m.groups[g].memcg, answer, &head, &budget) :
		shrink_lru_walk_node(m.lru, nid, answer, &head, &budget);
	expect(removed == m.removed - was, "walk: removed");
	expect(before - budget == (unsigned long)m.nr_seen, "walk: budget");
	after_walk(&head);
}

static void pass(void)
{
	int g = any_group(), nid = below(NODES);
	struct shrink_memcg_unit *unit = shrink_memcg_unit(m.groups[g].memcg, nid, m.lru->id);

	m.verdict = below(3) ? SHRINK_LRU_REMOVED : SHRINK_LRU_ROTATE;
	shrink_slab(SHRINK_GFP_ALL, nid, m.groups[g].memcg, below(13));
	m.passes++;
	if (unit && m.groups[g].online && !m.queues[g][nid].nr) {
		/* nothing there: a pass that found the bit set takes it back */
		shrink_slab(SHRINK_GFP_ALL, nid, m.groups[g].memcg, 12);
		expect(!(atomic_load(&unit->map) & 1ULL << m.lru->id % 64), "a bit stays for ever");
	}
	after_walk(&(struct shrink_lru_head){NULL, NULL, 0});
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	return shrink_lru_count(m.lru, sc);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_lru_head head = {NULL, NULL, 0};

	(void)s; /* objects popped need nothing more */
	return shrink_lru_scan(m.lru, sc, answer, &head);
}

static void come(void)
{
	int g = 1, parent = any_group(), r;

	while (g < GROUPS && m.groups[g].memcg)
		g++;
	if (g == GROUPS || !m.groups[parent].online)
		return;
	m.groups[g].memcg = shrink_memcg_create(m.groups[parent].memcg, "g%d", g);
	expect(m.groups[g].memcg, "create");
	m.groups[g].parent = parent;
	m.groups[g].online = true;
	m.groups[parent].children++;
	if (below(2)) {
		maybe_poor();
		r = shrink_lru_prepare(m.lru, m.groups[g].memcg);
		expect(r == 0 || (r == -ENOMEM && shrink_os_alloc_fail(0)), "prepare");
		shrink_os_alloc_fail(0);
	}
	look_for_lists(g);
}

/* The queues of the group go to the old end of where its objects are from now on. */
static void go(void)
{
	int g = any_group(), up, r;
	struct queue old, *q;
	bool busy = false;

	if (!g || !m.groups[g].online)
		return;
	for (int c = 1; c < GROUPS; c++)
		busy |= m.groups[c].memcg && m.groups[c].online && m.groups[c].parent == g;
	r = shrink_memcg_offline(m.groups[g].memcg);
	expect(r == (busy ? -EBUSY : 0), "offline");
	if (busy)
		return;
	m.groups[g].online = false;
	up = place(g);
	for (int nid = 0; m.groups[g].own && nid < NODES; nid++) {
		q = &m.queues[up][nid];
		old = *q;
		*q = m.queues[g][nid];
		memcpy(&q->at[q->nr], old.at, (size_t)old.nr * sizeof(old.at[0]));
		q->nr += old.nr;
		m.queues[g][nid].nr = 0;
	}
	m.recycled += m.lru->spare != NULL;
	m.groups[g].own = m.groups[g].borrower = false;
	m.offlined++;
	expect(shrink_lru_prepare(m.lru, m.groups[g].memcg) == -ESTALE, "prepare offline");
	let_go(g);
}

/* ---- what must be so after every step */
static void check_list(int g, int nid)
{
	struct group *group = &m.groups[g];
	unsigned long nr = shrink_lru_count_one(m.lru, nid, group->memcg);
	struct shrink_memcg_unit *unit = shrink_memcg_unit(group->memcg, nid, m.lru->id);

	if (g && (!group->online || !group->own)) {
		expect(nr == 0, "a count without a list");
		return;
	}
	expect(nr == (unsigned long)m.queues[g][nid].nr, "a list's count");
	if (g && nr)
		expect(atomic_load(&unit->map) & 1ULL << m.lru->id % 64, "objects without a bit");
}

static void check(void)
{
	unsigned long on = 0, sum = 0;

	for (int i = 0; i < ITEMS; i++) {
		expect(!m.objects[i].item.next == (m.objects[i].handle < 0), "on a list or not");
		on += m.objects[i].handle >= 0;
	}
	for (int nid = 0; nid < NODES; nid++) {
		sum += shrink_lru_count_node(m.lru, nid);
		for (int g = 0; g < GROUPS; g++)
			if (m.groups[g].memcg)
				check_list(g, nid);
	}
	expect(sum == on, "objects lost or doubled");
}

static void check_order(void)
{
	for (int g = 0; g < GROUPS; g++) {
		for (int nid = 0; m.groups[g].memcg && nid < NODES; nid++) {
			struct queue *q = &m.queues[g][nid];
			unsigned long budget = ITEMS + 1;

			m.verdict = SHRINK_LRU_SKIP;
			m.nr_seen = 0;
			shrink_lru_walk_one(m.lru, nid, m.groups[g].memcg, answer, NULL, &budget);
			expect(m.nr_seen == q->nr, "order: objects");
			expect(!memcmp(m.seen, q->at, (size_t)q->nr * sizeof(int)), "order");
		}
	}
}

static void step(void)
{
	static const struct {
		int share;
		void (*fn)(void);
	} steps[] = {{7, add}, {5, del}, {2, walk}, {1, pass}, {3, come}, {2, go}};
	int n = below(20), i = 0;

	for (; n >= steps[i].share; i++)
		n -= steps[i].share;
	steps[i].fn();
}

static void end(void)
{
	struct shrink_lru_head head = {NULL, NULL, 0};

	m.verdict = SHRINK_LRU_REMOVED;
	while (shrink_lru_walk(m.lru, answer, &head, 10))
		after_walk(&head);
	check();
	while (shrink_memcg_count())
		go();
	sim_end();
	shrinker_free(m.s);
	shrink_lru_destroy(m.lru);
	ASSERT_INT(shrink_memcg_count(), 0);
}

static void random_steps(void)
{
	m.random = random_new();
	sim_begin();
	m.s = shrinker_alloc(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE, "model");
	m.lru = shrink_lru_create(m.s);
	CU_ASSERT_FATAL(m.lru != NULL);
	m.s->count_objects = count;
	m.s->scan_objects = scan;
	ASSERT_INT(shrinker_register(m.s), 0);
	m.groups[0] = (struct group){.memcg = shrink_memcg_root(), .online = true, .own = true};
	for (int i = 0; i < ITEMS; i++)
		m.objects[i].handle = -1;
	for (int n = 0; n < STEPS && !m.wrong; n++) {
		step();
		check();
		if (n % 64 == 0)
			check_order();
	}
	end();
	ASSERT_INT(m.wrong, 0);
	/* it went everywhere */
	CU_ASSERT(m.offlined > 500 && m.borrowed > 50 && m.rotated > 500 && m.removed > 500 &&
		  m.retried > 500 && m.passes > 500 && m.recycled > 100);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"random steps against a model", random_steps},
		{NULL, NULL},
	};

	if (shrink_conf_set("nodes", "4") < 0)
		return 99;
	return test_main(argc, argv, "lru-model", tests);
}
