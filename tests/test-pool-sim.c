// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Fragmentation, simulated: under each seed a cache with sizes, lifetimes, uses, refusals
 * and scans drawn at random lives for some thousand steps on a pool, beside a model that
 * knows what must be there. After every step nothing may be lost or counted twice; a scan
 * that nobody refuses returns what it evicts; and at the end, when most objects have died
 * here and there, the pool recovers: by moving, without losing what is used, or by filling
 * the holes. No clock and no thread: a seed is a run.
 *
 *	SIM_SEEDS=n      so many seeds
 *	TEST_SEED_ONLY=n this one
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pool-cache.h"
#include "tests/random.h"

/* A sanitizer takes ten times as long; what is broken shows under few. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SEEDS 10
#else
#define SEEDS 60
#endif
#define SLOTS	6000u
#define STEPS	12000u
#define WHEEL	4096u
#define WAITING 512u

struct model {
	struct shrink_pool *pool;
	struct random rnd;
	/* drawn for the run */
	int moves;
	unsigned int busy, referenced, pended; /* answers, of 1024 */
	size_t size_min, size_max, size_factor; /* log-uniform; the second half's factor */
	double lifetime;
	/* what must be there */
	struct life {
		struct object *object;
		uint32_t next, due; /* in the wheel; 0 = not in it, else slot + 1, step */
		int in_wheel;
	} slots[SLOTS];
	uint32_t wheel[WHEEL];
	struct object *waiting[WAITING];
	unsigned int nr_waiting;
	struct shrink_pool_stats said; /* by the model: what the pool must say */
	uint64_t scanned_evicted, scanned_returned;
	int wrong;
};

static struct model *m;

/* Says what is wrong, once, with the seed. */
static void wrong(const char *what, uint64_t is, uint64_t expected)
{
	if (!m->wrong++)
		printf("# seed %llu: %s: is %llu, expected %llu (TEST_SEED_ONLY=%llu)\n",
		       (unsigned long long)m->rnd.seed, what, (unsigned long long)is,
		       (unsigned long long)expected, (unsigned long long)m->rnd.seed);
}

#define MUST(is, expected)                                                                         \
	do {                                                                                       \
		if ((uint64_t)(is) != (uint64_t)(expected))                                        \
			wrong(#is, (uint64_t)(is), (uint64_t)(expected));                          \
	} while (0)
#define AT_LEAST(is, bound)                                                                        \
	do {                                                                                       \
		if ((double)(is) < (double)(bound))                                                \
			wrong(#is " at least", (uint64_t)(is), (uint64_t)(bound));                 \
	} while (0)

static unsigned char fill_of(uint32_t place)
{
	return (unsigned char)(place * 29 + 3);
}

static void check_bytes(const struct object *o)
{
	size_t n = o->size - sizeof(*o);

	/* ends and middle: a neighbour's or a predecessor's bytes show there */
	if (n && (o->fill[0] != fill_of(o->place) || o->fill[n / 2] != fill_of(o->place) ||
		  o->fill[n - 1] != fill_of(o->place)))
		wrong("byte of an object", o->fill[0], fill_of(o->place));
}

static void ends(uint32_t slot)
{
	struct object *o = m->slots[slot].object;

	check_bytes(o);
	m->said.live_objects--;
	m->said.live_bytes -= shrink_pool_usable(m->pool, o);
	m->slots[slot].object = NULL;
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	uint64_t dice = random_below(&m->rnd, 1024);
	struct object *o = object;

	(void)arg;
	if (o->size > size || m->slots[o->place].object != o)
		wrong("object asked for", o->place, 0);
	if (dice < m->busy) {
		m->said.busy++;
		return SHRINK_BUSY;
	}
	if (dice < m->busy + m->referenced) {
		m->said.referenced++;
		return SHRINK_REFERENCED;
	}
	ends(o->place);
	if (dice < m->busy + m->referenced + m->pended && m->nr_waiting < WAITING) {
		m->waiting[m->nr_waiting++] = o;
		m->said.live_objects++; /* the pool's account has it until it is freed */
		m->said.live_bytes += size;
		m->said.pending++;
		return SHRINK_EVICT_PENDING;
	}
	m->said.evicted_objects++;
	m->said.evicted_bytes += size;
	return SHRINK_EVICTED;
}

static int move(void *arg, void *from, void *to, size_t size)
{
	struct object *o = from;

	(void)arg;
	if (o->size > size || m->slots[o->place].object != o)
		wrong("object to move", o->place, 0);
	if (random_below(&m->rnd, 1024) < m->busy) {
		m->said.busy++;
		return -1;
	}
	check_bytes(o);
	memcpy(to, from, o->size);
	m->slots[o->place].object = to;
	m->said.moved_objects++;
	m->said.moved_bytes += size;
	return 0;
}

/* Nothing lost, nothing twice: the pool's account is the model's. */
static void check_account(void)
{
	struct shrink_pool_stats st = pool_cache_stats(m->pool);

	MUST(st.live_objects, m->said.live_objects);
	MUST(st.live_bytes, m->said.live_bytes);
	MUST(st.evicted_objects, m->said.evicted_objects);
	MUST(st.evicted_bytes, m->said.evicted_bytes);
	MUST(st.moved_objects, m->said.moved_objects);
	MUST(st.moved_bytes, m->said.moved_bytes);
	MUST(st.pending, m->said.pending);
	MUST(st.busy, m->said.busy);
	MUST(st.referenced, m->said.referenced);
	MUST(st.bad_frees, 0);
	AT_LEAST(st.resident_bytes, st.live_bytes + st.free_bytes);
}

/* Classes add up, and the kernel has no page that the pool does not know of. */
static void check_classes(void)
{
	struct shrink_pool_stats st = pool_cache_stats(m->pool);
	struct shrink_pool_class_stats c;
	uint64_t live = 0, bytes = 0, dirty = 0, slabs = 0;

	for (unsigned int i = 0; !shrink_pool_class_stats(m->pool, i, &c, sizeof(c)); i++) {
		live += c.live_objects;
		bytes += c.live_bytes;
		dirty += c.dirty_bytes;
		slabs += c.slabs;
	}
	MUST(live, st.live_objects);
	MUST(bytes, st.live_bytes);
	MUST(dirty, st.free_bytes);
	MUST(slabs, st.slabs);
	AT_LEAST((st.live_bytes + st.free_bytes) / PAGE, pool_cache_resident(m->pool));
}

static void drop(uint32_t slot)
{
	struct object *o = m->slots[slot].object;

	ends(slot);
	shrink_pool_free(m->pool, o);
}

static size_t draw_size(void)
{
	double u = (double)random_below(&m->rnd, 1 << 20) / (1 << 20);
	double size = (double)m->size_min *
		      exp(u * log((double)m->size_max / (double)m->size_min));

	return (size_t)size * m->size_factor;
}

static int put(uint32_t slot, size_t size)
{
	struct object *o = shrink_pool_alloc(m->pool, size);

	if (!o)
		return 0;
	for (size_t i = 0; i < SHRINK_POOL_HEAD; i++)
		if (((unsigned char *)o)[i])
			wrong("head of a new object", i, 0);
	o->place = slot;
	o->size = (uint32_t)size;
	memset(o->fill, fill_of(slot), size - sizeof(*o));
	m->slots[slot].object = o;
	m->said.live_objects++;
	m->said.live_bytes += shrink_pool_usable(m->pool, o);
	return 1;
}

/* Most die young; some live long. */
static void live_and_die(uint32_t slot, uint32_t step)
{
	double u = (double)(1 + random_below(&m->rnd, 1 << 20)) / (1 << 20);
	double mean = random_below(&m->rnd, 10) < 7 ? m->lifetime / 10 : m->lifetime;
	uint32_t *list;

	m->slots[slot].due = step + 1 + (uint32_t)fmin(-log(u) * mean, STEPS);
	list = &m->wheel[m->slots[slot].due % WHEEL];
	m->slots[slot].next = *list;
	m->slots[slot].in_wheel = 1;
	*list = slot + 1;
}

static void die(uint32_t step)
{
	uint32_t at = m->wheel[step % WHEEL], keep = 0;

	while (at) {
		struct life *l = &m->slots[at - 1];
		uint32_t next = l->next;

		if (l->due > step) { /* another turn of the wheel */
			l->next = keep;
			keep = at;
		} else {
			l->in_wheel = 0;
			if (l->object)
				drop(at - 1);
		}
		at = next;
	}
	m->wheel[step % WHEEL] = keep;
}

static void scan(unsigned long pages)
{
	struct shrink_pool_stats before = pool_cache_stats(m->pool), after;
	struct shrink_control sc = {0};
	unsigned long freed = pool_cache_scan(m->pool, &sc, pages);

	after = pool_cache_stats(m->pool);
	if (freed != SHRINK_STOP)
		MUST(sc.bytes_freed, freed * PAGE);
	MUST(after.returned_bytes - before.returned_bytes, sc.bytes_freed);
	m->scanned_evicted += after.evicted_bytes - before.evicted_bytes;
	m->scanned_returned += sc.bytes_freed;
}

/* The last user of one that was pending lets go. */
static void free_waiting(void)
{
	struct object *o = m->waiting[--m->nr_waiting];

	m->said.live_objects--;
	m->said.live_bytes -= shrink_pool_usable(m->pool, o);
	shrink_pool_free(m->pool, o);
}

static void step(uint32_t now)
{
	uint32_t slot = (uint32_t)random_below(&m->rnd, SLOTS);
	uint64_t dice = random_below(&m->rnd, 1000);
	struct life *l = &m->slots[slot];

	die(now);
	if (dice < 3)
		scan(1 + random_below(&m->rnd, 128));
	else if (dice < 30 && m->nr_waiting)
		free_waiting();
	else if (l->object)
		shrink_pool_mark(m->pool, l->object);
	else if (!l->in_wheel && put(slot, draw_size()))
		live_and_die(slot, now);
}

/* The recovery: what is used and what is resident before, and after. */
struct shape {
	uint64_t live, slabs; /* bytes; of them in slabs */
	double dense;
};

static struct shape look(void)
{
	struct shrink_pool_stats st = pool_cache_stats(m->pool);
	struct shape s = {.live = st.live_bytes, .slabs = st.live_bytes + st.free_bytes};

	s.dense = s.slabs ? (double)s.live / (double)s.slabs : 1;
	return s;
}

static void mark_all(void)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		if (m->slots[i].object)
			shrink_pool_mark(m->pool, m->slots[i].object);
}

/* Three in four die, here and there. */
static void massacre(void)
{
	while (m->nr_waiting)
		free_waiting();
	m->busy = m->referenced = m->pended = 0;
	for (uint32_t i = 0; i < SLOTS; i++)
		if (m->slots[i].object && random_below(&m->rnd, 4))
			drop(i);
	pool_cache_settle(m->pool);
}

/* Everything left is in use, and the holes go back all the same: what is used moves
 * together. A slab or two of each class that is in use stay partly filled. */
static void recover_by_moving(void)
{
	uint64_t evicted = m->said.evicted_bytes, slack = 0;
	struct shape before = look(), after;
	struct shrink_pool_class_stats c;

	for (unsigned int i = 0; !shrink_pool_class_stats(m->pool, i, &c, sizeof(c)); i++)
		if (c.live_objects && c.object_size) /* current and shelter */
			slack += 2 * (c.resident_bytes / c.slabs);
	for (int round = 0; round < 64; round++) {
		mark_all();
		after = look();
		if (after.slabs <= after.live + after.live / 8 + slack)
			break;
		scan((after.slabs - after.live) / PAGE / 8 + 1);
	}
	AT_LEAST(after.live + after.live / 3 + slack, after.slabs);
	AT_LEAST(before.live / 20 + 65536, m->said.evicted_bytes - evicted);
}

/* As much is allocated as has died, of the same sizes, and no more memory is needed; but
 * for a slab of survivors that each class keeps where objects move. */
static void recover_by_filling(void)
{
	struct shape before = look(), now = before;
	struct shrink_pool_class_stats c;
	uint64_t sheltered = 0;
	uint32_t slot = 0;

	for (unsigned int i = 0; !shrink_pool_class_stats(m->pool, i, &c, sizeof(c)); i++) {
		/* tails hold no object: a slab's places are its bytes rounded down */
		uint64_t each = c.slabs ? c.resident_bytes / c.slabs : 0;
		uint64_t holes = c.object_size ? c.slabs * (each / c.object_size) : 0;

		sheltered += m->moves ? each : 0;
		for (holes = shrink_sub_u64(holes, c.live_objects); holes--;) {
			while (slot < SLOTS && m->slots[slot].object)
				slot++;
			if (slot == SLOTS || !put(slot, c.object_size))
				break;
		}
	}
	pool_cache_settle(m->pool);
	now = look();
	AT_LEAST(before.slabs + sheltered, now.slabs);
	if (slot < SLOTS && !m->moves)
		AT_LEAST(now.dense * 100, 90);
}

static void draw(uint64_t seed)
{
	static const size_t sizes[][2] = {{16, 200}, {100, 4000}, {1000, 1000}, {500, 40000}};
	const size_t *size;

	m->rnd = random_seeded(seed);
	m->moves = (int)random_below(&m->rnd, 2);
	size = sizes[random_below(&m->rnd, 4)];
	m->size_min = size[0];
	m->size_max = size[1];
	m->size_factor = 1;
	m->lifetime = (double)(STEPS / 16 + random_below(&m->rnd, STEPS));
	if (random_below(&m->rnd, 2)) { /* or nobody refuses */
		m->busy = (unsigned int)random_below(&m->rnd, 200);
		m->referenced = (unsigned int)random_below(&m->rnd, 200);
		m->pended = (unsigned int)random_below(&m->rnd, 100);
	}
}

static void live(void)
{
	/* what nobody refuses, moving holds back at first: slabs that become shelters */
	int refusing = m->busy + m->referenced + m->pended != 0;

	for (uint32_t now = 1; now <= STEPS && !m->wrong; now++) {
		if (now == STEPS / 2 && random_below(&m->rnd, 2))
			m->size_factor = 2;
		step(now);
		check_account();
		if (now % 512 == 0)
			check_classes();
	}
	if (!refusing && m->scanned_evicted > MIB)
		AT_LEAST(m->scanned_returned, 0.9 * (double)m->scanned_evicted);
}

static int simulate(uint64_t seed)
{
	struct shrink_pool_options o = {.evict = evict, .reserve = 512 * MIB};
	int bad;

	m = calloc(1, sizeof(*m));
	CU_ASSERT_FATAL(m != NULL);
	draw(seed);
	o.move = m->moves ? move : NULL;
	m->pool = shrink_pool_create(&o, sizeof(o), "sim");
	CU_ASSERT_FATAL(m->pool != NULL);
	live();
	if (!m->wrong) {
		massacre();
		check_account();
		if (m->moves && m->size_min >= 64)
			recover_by_moving();
		else
			recover_by_filling();
		check_account();
		check_classes();
	}
	shrink_pool_destroy(m->pool);
	bad = m->wrong;
	free(m);
	return bad;
}

static void test_seeds(void)
{
	const char *one = getenv("TEST_SEED_ONLY"), *text = getenv("SIM_SEEDS");
	uint64_t n = text ? strtoull(text, NULL, 0) : SEEDS, failed = 0;

	if (one) {
		EQ(simulate(strtoull(one, NULL, 0)), 0);
		return;
	}
	for (uint64_t seed = 1; seed <= n; seed++)
		failed += simulate(seed) != 0;
	printf("# %llu seeds from 1 on, %llu failed\n", (unsigned long long)n,
	       (unsigned long long)failed);
	EQ(failed, 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"fragmentation under random seeds: conserved, accounted, recovered", test_seeds},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-sim", tests);
}
