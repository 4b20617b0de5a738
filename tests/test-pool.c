// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The page-true pool, one property after the other. Scans are driven through the
 * shrinker's own callbacks, so that each test decides how much is asked for. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shrink/conf.h>

#include <libshrink/os/alloc.h>
#include <libshrink/os/clock.h>
#include <libshrink/pool/fork.h>
#include <libshrink/pool/slab.h>

#include "tests/harness.h"

/* Sizes and counts of any integer type, both shown when they differ. */
#define EQ(actual, expected)                                                                       \
	test_assert_int((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)

#define PAGE 4096u
#define MIB ((size_t)1 << 20)

/* A cache of the simplest kind: an array of objects that each know their place. */
struct object {
	uint32_t place, size;
	unsigned char fill[];
};

struct cache {
	struct shrink_pool *pool;
	struct object **objects;
	unsigned int nr, live, next;
	enum shrink_evict verdict[4]; /* by place modulo modulus */
	unsigned int modulus;
	uint64_t asked, damaged;
	uint64_t evicted_bytes;
	struct object *pending[4096];
	unsigned int nr_pending;
};

static unsigned char pattern(uint32_t place)
{
	return (unsigned char)(place * 37 + 11);
}

static int intact(const struct object *o)
{
	for (uint32_t i = 0; i < o->size - sizeof(*o); i++)
		if (o->fill[i] != pattern(o->place))
			return 0;
	return 1;
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	struct cache *c = arg;
	struct object *o = object;
	enum shrink_evict verdict = c->verdict[o->place % c->modulus];

	c->asked++;
	if (o->size > size || c->objects[o->place] != o || !intact(o))
		c->damaged++;
	if (verdict == SHRINK_EVICTED || verdict == SHRINK_EVICT_PENDING) {
		c->objects[o->place] = NULL;
		c->live--;
	}
	if (verdict == SHRINK_EVICTED)
		c->evicted_bytes += o->size;
	if (verdict == SHRINK_EVICT_PENDING)
		c->pending[c->nr_pending++ % 4096] = o;
	return verdict;
}

static void cache_open(struct cache *c, unsigned int nr, size_t max_bytes)
{
	struct shrink_pool_options o = {.evict = evict, .arg = c, .reserve = 1024 * MIB,
					.max_bytes = max_bytes};

	memset(c, 0, sizeof(*c));
	c->nr = nr;
	c->modulus = 1;
	c->objects = calloc(nr, sizeof(*c->objects));
	c->pool = shrink_pool_create(&o, sizeof(o), "test");
	CU_ASSERT_FATAL(c->pool && c->objects);
}

static void cache_close(struct cache *c)
{
	EQ(c->damaged, 0);
	shrink_pool_destroy(c->pool);
	free(c->objects);
}

static struct object *cache_put(struct cache *c, unsigned int place, size_t size)
{
	struct object *o = shrink_pool_alloc(c->pool, size);

	if (!o)
		return NULL;
	o->place = place;
	o->size = (uint32_t)size;
	memset(o->fill, pattern(place), size - sizeof(*o));
	c->objects[place] = o;
	c->live++;
	return o;
}

static void cache_drop(struct cache *c, unsigned int place)
{
	if (!intact(c->objects[place]))
		c->damaged++;
	shrink_pool_free(c->pool, c->objects[place]);
	c->objects[place] = NULL;
	c->live--;
}

static void cache_fill(struct cache *c, size_t size)
{
	for (unsigned int i = 0; i < c->nr; i++)
		CU_ASSERT_FATAL(cache_put(c, i, size) != NULL);
}

static struct shrink_pool_stats stats_of(struct shrink_pool *pool)
{
	struct shrink_pool_stats stats;

	EQ(shrink_pool_stats(pool, &stats, sizeof(stats)), 0);
	return stats;
}

static unsigned long count(struct shrink_pool *pool)
{
	struct shrink_control sc = {.gfp_mask = SHRINK_GFP_ALL};
	struct shrinker *s = shrink_pool_shrinker(pool);

	return s->count_objects(s, &sc);
}

static unsigned long scan(struct shrink_pool *pool, struct shrink_control *sc, unsigned long pages)
{
	struct shrinker *s = shrink_pool_shrinker(pool);

	sc->gfp_mask = SHRINK_GFP_ALL;
	sc->nr_to_scan = sc->nr_scanned = pages;
	return s->scan_objects(s, sc);
}

static unsigned long scan_pages(struct shrink_pool *pool, unsigned long pages)
{
	struct shrink_control sc = {0};

	return scan(pool, &sc, pages);
}

/* Pages of the pool's data that are in memory, as the kernel sees it. */
static uint64_t resident_pages(struct shrink_pool *pool)
{
	size_t length = (size_t)load_relaxed(&pool->nr_extents) << EXTENT_SHIFT;
	unsigned char *map = malloc(length / PAGE + 1);
	uint64_t n = 0;

	CU_ASSERT_FATAL(map && (!length || !mincore(pool->data, length, map)));
	for (size_t i = 0; i < length / PAGE; i++)
		n += map[i] & 1;
	free(map);
	return n;
}

static void check_class(unsigned int class)
{
	struct shrink_class_geometry g;

	shrink_class_geometry(class, PAGE, &g);
	CU_ASSERT(g.size % 16 == 0);
	CU_ASSERT(g.nr >= 1 && g.nr <= SHRINK_CLASS_OBJECTS_MAX);
	CU_ASSERT((size_t)g.nr * g.size <= g.length && g.length <= (size_t)1 << g.stride);
	CU_ASSERT(g.length % PAGE == 0 && g.length <= 256u << 10);
	/* the tail is a smaller part of the slab than 1/32 */
	CU_ASSERT((g.length - g.nr * g.size) * 32 < g.length);
	for (size_t offset = 0; offset < g.length; offset++)
		if (shrink_class_index(&g, offset) != offset / g.size) {
			CU_FAIL("index differs from the division");
			break;
		}
}

static void test_classes(void)
{
	struct shrink_class_geometry g;
	unsigned int wasteful = 0;

	for (unsigned int class = 0; class < SHRINK_CLASS_SMALL; class++)
		check_class(class);
	for (size_t size = 1; size <= SHRINK_CLASS_SMALL_MAX; size++) {
		unsigned int class = shrink_class_of(size, PAGE);

		CU_ASSERT_FATAL(class < SHRINK_CLASS_SMALL);
		shrink_class_geometry(class, PAGE, &g);
		CU_ASSERT(g.size >= size);
		wasteful += size > 128 ? (g.size - size) * 8 >= g.size
				       : size > 16 && g.size - size > 15;
	}
	EQ(wasteful, 0);
}

static void test_large_classes(void)
{
	struct shrink_class_geometry g;

	for (size_t size = SHRINK_CLASS_SMALL_MAX + 1; size <= 4 * MIB; size += 509) {
		unsigned int class = shrink_class_of(size, PAGE);

		CU_ASSERT_FATAL(class >= SHRINK_CLASS_SMALL && class < SHRINK_CLASSES);
		shrink_class_geometry(class, PAGE, &g);
		CU_ASSERT(g.nr == 1 && g.size == 0 && ((size_t)1 << g.stride) >= size);
		CU_ASSERT(g.stride == 16 || ((size_t)1 << g.stride) < 2 * (size + PAGE));
	}
}

static void test_heat(void)
{
	struct shrink_heat_map map = {0};

	EQ(shrink_heat_next(0, 16, 16), SHRINK_HEAT_MAX);
	EQ(shrink_heat_next(SHRINK_HEAT_MAX, 0, 16), SHRINK_HEAT_MAX / 2);
	CU_ASSERT(shrink_heat_next(SHRINK_HEAT_MAX, 0, 16) <= SHRINK_HEAT_SPARED);
	CU_ASSERT(shrink_heat_score(0, 1, 16, 0) < shrink_heat_score(0, 16, 16, 0));
	CU_ASSERT(shrink_heat_score(0, 16, 16, 0) < shrink_heat_score(16, 16, 16, 0));
	CU_ASSERT(shrink_heat_score(0, 16, 16, 0) < shrink_heat_score(0, 16, 16, 1));
	EQ(shrink_heat_score(255, 16, 16, 1), SHRINK_SCORES - 1);
	CU_ASSERT(shrink_heat_is_cold(&map, SHRINK_SCORES - 1)); /* nothing known yet */
	for (unsigned int score = 0; score < 40; score++)
		shrink_heat_enter(&map, score, 10, 100000);
	CU_ASSERT(shrink_heat_is_cold(&map, 9) && !shrink_heat_is_cold(&map, 10));
	for (unsigned int i = 0; i < 1000; i++) /* the colder ones fade */
		shrink_heat_enter(&map, 50, 10, 100);
	CU_ASSERT(shrink_heat_is_cold(&map, 50));
}

static void test_objects(void)
{
	struct cache c;
	struct shrink_pool_stats st;
	uint64_t bytes = 0;

	cache_open(&c, 3000, 0);
	EQ(count(c.pool), SHRINK_EMPTY);
	for (unsigned int i = 0; i < c.nr; i++) {
		struct object *o = cache_put(&c, i, 16 + (size_t)i * 11);

		CU_ASSERT_FATAL(o != NULL);
		CU_ASSERT((uintptr_t)o % 16 == 0 && shrink_pool_usable(c.pool, o) >= o->size);
		bytes += shrink_pool_usable(c.pool, o);
	}
	st = stats_of(c.pool);
	EQ(st.live_objects, c.nr);
	EQ(st.live_bytes, bytes);
	CU_ASSERT(st.slabs > 0 && st.resident_bytes > st.live_bytes);
	for (unsigned int i = 0; i < c.nr; i++)
		cache_drop(&c, (i * 1009u) % c.nr);
	st = stats_of(c.pool);
	EQ(st.live_objects, 0);
	EQ(st.live_bytes, 0);
	EQ(st.bad_frees, 0);
	EQ(st.evicted_objects, 0);
	cache_close(&c);
}

static void test_refusals(void)
{
	struct shrink_pool_options o = {.object_max = 5 * MIB};
	struct shrink_pool *pool;
	struct cache c;

	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == EINVAL);
	o = (struct shrink_pool_options){.flags = 0x80};
	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == EINVAL);
	o = (struct shrink_pool_options){.flags = SHRINK_POOL_BIND, .nid = 64};
	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == EINVAL);
	o = (struct shrink_pool_options){.reserve = (size_t)1 << 62};
	CU_ASSERT(!shrink_pool_create(&o, sizeof(o), "x") && errno == ENOMEM);
	CU_ASSERT(!shrink_pool_create(NULL, 0, "%s", "") && errno == EINVAL);
	cache_open(&c, 1, 0);
	CU_ASSERT(!shrink_pool_alloc(c.pool, 0) && errno == EINVAL);
	CU_ASSERT(!shrink_pool_alloc(c.pool, MIB + 1) && errno == EINVAL);
	CU_ASSERT(!shrink_pool_alloc(NULL, 1) && errno == EINVAL);
	EQ(shrink_pool_stats(NULL, NULL, 0), -EINVAL);
	shrink_pool_free(c.pool, NULL);
	shrink_pool_free(NULL, NULL);
	shrink_pool_destroy(NULL);
	CU_ASSERT(!shrink_pool_shrinker(NULL) && !shrink_pool_usable(c.pool, NULL));
	cache_close(&c);
	pool = shrink_pool_create(NULL, 0, "allocator only");
	CU_ASSERT_FATAL(pool != NULL);
	CU_ASSERT(!shrink_pool_shrinker(pool));
	shrink_pool_free(pool, shrink_pool_alloc(pool, 100));
	shrink_pool_destroy(pool);
}

static void test_create_fails(void)
{
	struct shrink_pool_options o = {.evict = evict, .reserve = 16 * MIB};
	struct shrink_pool *pool = NULL;
	unsigned long k;

	for (k = 1; k < 100 && !pool; k++) {
		shrink_os_alloc_fail(k);
		pool = shrink_pool_create(&o, sizeof(o), "torture");
		shrink_os_alloc_fail(0);
		CU_ASSERT(pool || errno == ENOMEM);
	}
	CU_ASSERT(k > 2 && pool != NULL);
	shrink_pool_destroy(pool);
}

static void test_bounds(void)
{
	struct shrink_pool_options o = {.reserve = 8 * MIB};
	struct shrink_pool *pool;
	struct cache c;
	unsigned int n = 0;

	cache_open(&c, 100000, 2 * MIB);
	while (cache_put(&c, n, 1024))
		n++;
	EQ(errno, ENOMEM);
	CU_ASSERT(n > 1500 && stats_of(c.pool).resident_bytes <= 2 * MIB);
	CU_ASSERT(!shrink_pool_alloc(c.pool, 512 << 10) && errno == ENOMEM);
	cache_drop(&c, 0);
	CU_ASSERT(cache_put(&c, 0, 1024) != NULL); /* its own place again */
	cache_close(&c);

	pool = shrink_pool_create(&o, sizeof(o), "small");
	CU_ASSERT_FATAL(pool != NULL);
	for (n = 0; shrink_pool_alloc(pool, MIB); n++)
		;
	EQ(n, 8);
	EQ(errno, ENOMEM);
	shrink_pool_destroy(pool);
}

static void test_densest_first(void)
{
	struct cache c;
	struct object *o;

	cache_open(&c, 16 * 8 + 1, 0); /* 8 slabs of 16 objects, and a new one */
	cache_fill(&c, 1024);
	for (unsigned int i = 0; i < 15; i++) /* slab 0 is left with one object */
		cache_drop(&c, i);
	for (unsigned int i = 16; i < 18; i++) /* slab 1 with all but two */
		cache_drop(&c, i);
	cache_drop(&c, 128);
	for (unsigned int i = 0; i < 16; i++) { /* what is left of the new slab */
		o = cache_put(&c, i < 15 ? i : 16, 1024);
		CU_ASSERT_FATAL(o != NULL);
	}
	o = cache_put(&c, 17, 1024);
	CU_ASSERT(((uintptr_t)o ^ (uintptr_t)c.objects[18]) < 16384);
	cache_close(&c);
}

static void test_evict_all(void)
{
	struct shrink_control sc = {0};
	struct shrink_pool_stats st;
	unsigned long freed;
	struct cache c;

	cache_open(&c, 4096, 0);
	cache_fill(&c, 1024);
	EQ(count(c.pool), 1024);
	EQ(resident_pages(c.pool), 1024);
	freed = scan(c.pool, &sc, 128);
	EQ(freed, 128);
	EQ(sc.nr_scanned, 128);
	EQ(sc.bytes_freed, 128 * PAGE);
	EQ(sc.nr_pending, 0);
	EQ(c.live, 4096 - 512);
	EQ(resident_pages(c.pool), 1024 - 128);
	for (int i = 0; i < 1000 && c.live; i++)
		scan_pages(c.pool, 128);
	EQ(c.live, 0);
	st = stats_of(c.pool);
	EQ(resident_pages(c.pool), 0);
	EQ(st.slabs, 0);
	EQ(st.live_objects, 0);
	EQ(st.evicted_objects, 4096);
	EQ(st.evicted_bytes, 4096 * 1024);
	EQ(st.returned_bytes, 4096 * 1024);
	EQ(count(c.pool), SHRINK_EMPTY);
	EQ(scan_pages(c.pool, 128), SHRINK_STOP);
	cache_fill(&c, 1024); /* and the addresses are good again */
	cache_close(&c);
}

static void test_budget(void)
{
	struct shrink_control sc = {.bytes_to_free = 64 << 10};
	struct cache c;

	cache_open(&c, 4096, 0);
	cache_fill(&c, 1024);
	EQ(scan(c.pool, &sc, 512), 16);
	EQ(sc.nr_scanned, 16);
	sc = (struct shrink_control){.deadline_nsec = shrink_os_clock() - 1};
	EQ(scan(c.pool, &sc, 512), SHRINK_STOP); /* past its time: not here, not now */
	EQ(c.live, 4096 - 64);
	EQ(scan_pages(c.pool, 1), 4); /* a slab is the least that can go */
	cache_close(&c);
}

static void test_busy(void)
{
	struct shrink_control sc = {0};
	struct cache c;

	cache_open(&c, 1024, 0);
	cache_fill(&c, 1024);
	c.verdict[0] = SHRINK_BUSY;
	EQ(scan(c.pool, &sc, 64), SHRINK_STOP);
	EQ(c.live, 1024);
	CU_ASSERT(stats_of(c.pool).busy == c.asked && c.asked > 0);
	/* asking one object of each slab told enough */
	CU_ASSERT(c.asked <= 16);
	cache_close(&c);
}

static void test_referenced(void)
{
	struct shrink_control sc = {0};
	struct cache c;

	cache_open(&c, 1024, 0);
	cache_fill(&c, 1024);
	c.verdict[0] = SHRINK_REFERENCED;
	EQ(scan(c.pool, &sc, 64), 0);
	EQ(sc.nr_scanned, 64);
	EQ(c.live, 1024);
	CU_ASSERT(stats_of(c.pool).referenced == c.asked);
	c.verdict[0] = SHRINK_EVICTED;
	for (int i = 0; i < 20 && c.live; i++)
		scan_pages(c.pool, 64);
	EQ(c.live, 0);
	cache_close(&c);
}

static void test_survivors(void)
{
	struct shrink_pool_stats st;
	struct cache c;

	cache_open(&c, 1024, 0);
	cache_fill(&c, 1024);
	c.modulus = 4; /* every fourth is busy, late in its slab: 15, 11, 7, 3 */
	c.verdict[3] = SHRINK_BUSY;
	for (int i = 0; i < 50; i++)
		scan_pages(c.pool, 128);
	st = stats_of(c.pool);
	EQ(st.returned_bytes, 0); /* each slab has a survivor */
	EQ(st.live_objects, c.live);
	for (unsigned int i = 3; i < 1024; i += 4)
		CU_ASSERT(c.objects[i] != NULL && intact(c.objects[i]));
	CU_ASSERT_FATAL(c.live < 1024);
	/* back in use: new objects fill the holes, no new slab is made */
	for (unsigned int i = 0; i < 1024; i++)
		if (!c.objects[i])
			cache_put(&c, i, 1024);
	EQ(stats_of(c.pool).slabs, st.slabs);
	cache_close(&c);
}

static void test_pending(void)
{
	struct shrink_control sc = {0};
	struct shrink_pool_stats st;
	struct cache c;

	cache_open(&c, 256, 0); /* 16 slabs */
	cache_fill(&c, 1024);
	c.modulus = 2;
	c.verdict[1] = SHRINK_EVICT_PENDING;
	EQ(scan(c.pool, &sc, 64), 0);
	EQ(sc.nr_pending, 64);
	EQ(sc.bytes_pending, 64 * PAGE);
	EQ(c.nr_pending, 128);
	EQ(count(c.pool), 0); /* all of it is on its way, none certain */
	EQ(resident_pages(c.pool), 64);
	c.asked = 0;
	sc = (struct shrink_control){0};
	scan(c.pool, &sc, 64);
	EQ(sc.nr_pending, 0); /* nothing is counted twice */
	EQ(c.asked, 0);
	for (unsigned int i = 0; i < 128; i++) {
		CU_ASSERT(intact(c.pending[i]));
		shrink_pool_free(c.pool, c.pending[i]);
	}
	st = stats_of(c.pool);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	EQ(resident_pages(c.pool), 0);
	EQ(st.returned_bytes, 64 * PAGE);
	EQ(st.pending, 128);
	EQ(st.live_objects + st.bad_frees, 0);
	cache_close(&c);
}

/* Pending beside survivors: no page of theirs is on its way. */
static void test_pending_mixed(void)
{
	struct shrink_control sc = {0};
	struct cache c;

	cache_open(&c, 256, 0);
	cache_fill(&c, 1024);
	c.modulus = 4;
	c.verdict[0] = c.verdict[1] = SHRINK_EVICT_PENDING;
	c.verdict[3] = SHRINK_BUSY;
	scan(c.pool, &sc, 64);
	EQ(sc.nr_pending, 0);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	c.verdict[3] = SHRINK_EVICTED;
	for (int i = 0; i < 20; i++) {
		scan(c.pool, &sc, 64);
		sc.nr_pending = 0;
	}
	EQ(c.live, 0);
	EQ(load_relaxed(&c.pool->pending_pages) * PAGE,
		   stats_of(c.pool).slabs * 4 * PAGE);
	for (unsigned int i = 0; i < c.nr_pending; i++)
		shrink_pool_free(c.pool, c.pending[i]);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	EQ(stats_of(c.pool).live_objects, 0);
	cache_close(&c);
}

static void test_destroy_pending(void)
{
	struct cache c;

	cache_open(&c, 64, 0);
	cache_fill(&c, 1024);
	c.verdict[0] = SHRINK_EVICT_PENDING;
	scan_pages(c.pool, 64);
	CU_ASSERT(load_relaxed(&c.pool->pending_pages) > 0);
	cache_close(&c);
}

/* Freed slabs go without anybody being asked. */
static void test_kept(void)
{
	struct shrink_pool_stats st;
	struct cache c;

	cache_open(&c, 4096, 0);
	cache_fill(&c, 1024);
	for (unsigned int i = 0; i < c.nr; i++)
		cache_drop(&c, i);
	st = stats_of(c.pool);
	/* most went back at once, a bounded rest is kept and counted */
	CU_ASSERT(st.returned_bytes >= 3 * MIB && st.slabs > 0 && st.slabs <= 17);
	EQ(count(c.pool), st.slabs * 4);
	EQ(scan_pages(c.pool, 1024), st.slabs * 4);
	EQ(c.asked, 0);
	EQ(resident_pages(c.pool), 0);
	EQ(load_relaxed(&c.pool->cached_pages), 0);
	cache_close(&c);
}

static void test_large(void)
{
	struct shrink_pool_stats st;
	uint64_t pages = 0;
	struct cache c;

	cache_open(&c, 64, 0);
	for (unsigned int i = 0; i < c.nr; i++) {
		size_t size = 33000 + (size_t)i * 16000;

		CU_ASSERT_FATAL(cache_put(&c, i, size) != NULL);
		EQ(shrink_pool_usable(c.pool, c.objects[i]),
			   ((size + PAGE - 1) / PAGE * PAGE));
		pages += (size + PAGE - 1) / PAGE;
	}
	EQ(resident_pages(c.pool), pages);
	st = stats_of(c.pool);
	EQ(st.live_bytes, pages * PAGE);
	EQ(st.free_bytes, 0);
	cache_drop(&c, 63);
	CU_ASSERT(cache_put(&c, 63, 1000000) != NULL);
	for (int i = 0; i < 100 && c.live; i++)
		scan_pages(c.pool, 256);
	EQ(c.live, 0);
	EQ(resident_pages(c.pool), 0);
	cache_close(&c);
}

static char last_line[512];
static unsigned int nr_lines;

static void note_line(void *arg, enum shrink_log_level level, const char *line)
{
	(void)arg;
	if (level > SHRINK_LOG_ERR)
		return;
	snprintf(last_line, sizeof(last_line), "%s", line);
	nr_lines++;
}

static void test_misuse(void)
{
	struct cache c;
	struct object *o;
	int local;

	shrink_set_log(note_line, NULL);
	cache_open(&c, 100, 0);
	cache_fill(&c, 1000);
	o = c.objects[50];
	cache_drop(&c, 50);
	shrink_pool_free(c.pool, o); /* twice */
	shrink_pool_free(c.pool, &local);
	shrink_pool_free(c.pool, c.objects[51]->fill); /* inside */
	shrink_pool_free(c.pool, c.pool->data + 512 * MIB); /* reserved, never used */
	shrink_pool_free(c.pool, c.pool->tables);
	CU_ASSERT(shrink_pool_usable(c.pool, &local) == 0);
	shrink_pool_mark(c.pool, &local);
	EQ(stats_of(c.pool).bad_frees, 5);
	EQ(stats_of(c.pool).live_objects, 99);
	EQ(nr_lines, 3); /* the 1st, 2nd and 4th */
	CU_ASSERT(strstr(last_line, "pool test") != NULL);
	for (unsigned int i = 0; i < 100; i++)
		CU_ASSERT(i == 50 || intact(c.objects[i]));
	shrink_set_log(NULL, NULL);
	cache_close(&c);
}

/* Hot slabs are spared, cold ones go. */
static void test_marks(void)
{
	struct shrink_control sc = {0};
	unsigned int hot = 0;
	struct cache c;

	cache_open(&c, 8192, 0);
	cache_fill(&c, 1024);
	for (unsigned int i = 0; i < c.nr; i++)
		shrink_pool_mark(c.pool, c.objects[i]);
	/* all hot: looked at, nothing taken */
	EQ(scan(c.pool, &sc, 2048), 0);
	EQ(sc.nr_scanned, 2048);
	EQ(c.live, 8192);
	/* a quarter is used again and again: every fourth slab */
	for (int tour = 0; tour < 60 && c.live > 4096; tour++) {
		for (unsigned int i = 0; i < c.nr; i++)
			if (i / 16 % 4 == 0 && c.objects[i])
				shrink_pool_mark(c.pool, c.objects[i]);
		scan_pages(c.pool, 128);
	}
	CU_ASSERT(c.live <= 4096);
	for (unsigned int i = 0; i < c.nr; i++)
		hot += i / 16 % 4 == 0 && c.objects[i];
	EQ(hot, 2048);
	/* and yet, once nobody uses them, they go like any other */
	for (int tour = 0; tour < 100 && c.live; tour++)
		scan_pages(c.pool, 1024);
	EQ(c.live, 0);
	cache_close(&c);
}

/* A new object does not inherit its predecessor's mark. */
static void test_mark_is_fresh(void)
{
	struct cache c;

	cache_open(&c, 16, 0);
	cache_fill(&c, 1024);
	for (unsigned int i = 0; i < 16; i++)
		shrink_pool_mark(c.pool, c.objects[i]);
	for (unsigned int i = 0; i < 16; i++)
		cache_drop(&c, i);
	cache_fill(&c, 1024);
	EQ(scan_pages(c.pool, 4), 4);
	cache_close(&c);
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Every operation in random order; contents and account checked all along. */
static void test_random(void)
{
	uint64_t seed = 0x5eed1234abcdULL, live_bytes = 0, r;
	struct shrink_pool_stats st;
	struct cache c;

	cache_open(&c, 4000, 0);
	c.modulus = 4;
	for (unsigned int step = 0; step < 200000; step++) {
		unsigned int place = (unsigned int)(random_next(&seed) % c.nr);

		r = random_next(&seed);
		if (r % 400 == 0) {
			for (int i = 0; i < 4; i++)
				c.verdict[i] = r >> 40 & 1 ? SHRINK_EVICTED
							   : (enum shrink_evict)(r >> (10 + 2 * i) & 3);
			scan_pages(c.pool, r >> 20 & 255 ? r >> 20 & 255 : 1);
		} else if (r % 50 == 0 && c.nr_pending) {
			shrink_pool_free(c.pool, c.pending[--c.nr_pending]);
		} else if (c.objects[place] && r % 3) {
			shrink_pool_mark(c.pool, c.objects[place]);
		} else if (c.objects[place]) {
			cache_drop(&c, place);
		} else {
			/* mostly small, some large */
			size_t size = 16 + (r >> 30) % ((size_t)64 << (r >> 50) % 12);

			CU_ASSERT_FATAL(cache_put(&c, place, size) != NULL);
		}
		CU_ASSERT_FATAL(c.nr_pending < 4096);
	}
	while (c.nr_pending)
		shrink_pool_free(c.pool, c.pending[--c.nr_pending]);
	for (unsigned int i = 0; i < c.nr; i++)
		if (c.objects[i])
			live_bytes += shrink_pool_usable(c.pool, c.objects[i]);
	st = stats_of(c.pool);
	EQ(st.live_objects, c.live);
	EQ(st.live_bytes, live_bytes);
	EQ(st.bad_frees, 0);
	EQ(load_relaxed(&c.pool->pending_pages), 0);
	printf("# evicted %llu, busy %llu, referenced %llu, pending %llu\n",
	       (unsigned long long)st.evicted_objects, (unsigned long long)st.busy,
	       (unsigned long long)st.referenced, (unsigned long long)st.pending);
	CU_ASSERT(st.evicted_objects > 1000 && st.referenced > 50 && st.busy > 50 && st.pending > 50);
	for (unsigned int i = 0; i < c.nr; i++)
		if (c.objects[i])
			cache_drop(&c, i);
	st = stats_of(c.pool);
	EQ((st.live_objects + st.live_bytes), 0);
	scan_pages(c.pool, 1 << 20);
	EQ(stats_of(c.pool).slabs, 0);
	EQ(resident_pages(c.pool), 0);
	cache_close(&c);
}

/* Sizes as in a real cache, 64 B .. 4 KiB. */
static size_t mixed_size(uint64_t r)
{
	return ((size_t)64 << r % 6) + (r >> 8) % ((size_t)64 << r % 6);
}

/* Zipf ages: object i is used with probability ~ 1 / (rank + 1). */
#define ZIPF_OBJECTS 60000u
#define ZIPF_USES 240000u

static unsigned int zipf_rank(uint64_t r)
{
	double u = (double)(r >> 11) / 9007199254740992.0;

	/* the inverse of the harmonic distribution, near enough */
	return (unsigned int)(exp(u * log(ZIPF_OBJECTS))) - 1;
}

/* Uses objects as clients would. Of the different ones used, *ret_used, how many
 * were gone: each would be fetched once and live on. */
static double zipf_use(struct cache *c, uint64_t *seed, unsigned int uses)
{
	unsigned char *seen = calloc(ZIPF_OBJECTS, 1);
	unsigned int used = 0, missed = 0;

	CU_ASSERT_FATAL(seen != NULL);
	for (unsigned int i = 0; i < uses; i++) {
		/* ranks are strewn over places by a fixed permutation */
		unsigned int place = (unsigned int)((uint64_t)zipf_rank(random_next(seed)) *
						    48271u % ZIPF_OBJECTS);

		if (c->objects[place])
			shrink_pool_mark(c->pool, c->objects[place]);
		used += !seen[place];
		missed += !seen[place] && !c->objects[place];
		seen[place] = 1;
	}
	free(seen);
	return (double)missed / used;
}

static void zipf_case(size_t fixed, double *ret_ratio, double *ret_gone, double *ret_missed)
{
	struct shrink_pool_stats st;
	uint64_t seed = 0xfeedULL, goal;
	struct cache c;

	cache_open(&c, ZIPF_OBJECTS, 0);
	for (unsigned int i = 0; i < c.nr; i++)
		CU_ASSERT_FATAL(cache_put(&c, i, fixed ? fixed : mixed_size(random_next(&seed))) !=
				NULL);
	zipf_use(&c, &seed, ZIPF_USES);
	goal = stats_of(c.pool).live_bytes / 4;
	for (int i = 0; i < 2000 && stats_of(c.pool).returned_bytes < goal; i++) {
		scan_pages(c.pool, 128);
		zipf_use(&c, &seed, 100); /* life goes on */
	}
	st = stats_of(c.pool);
	CU_ASSERT(st.returned_bytes >= goal);
	*ret_ratio = (double)st.returned_bytes / (double)st.evicted_bytes;
	*ret_gone = 1 - (double)c.live / c.nr;
	*ret_missed = zipf_use(&c, &seed, ZIPF_USES / 4);
	printf("# zipf, %zu bytes: returned/evicted %.3f; gone: %.3f of the objects, %.3f of "
	       "those used next\n",
	       fixed, *ret_ratio, *ret_gone, *ret_missed);
	cache_close(&c);
}

static void test_zipf(void)
{
	static const size_t sizes[] = {100, 300, 1000, 4000, 0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		double ratio, gone, missed;

		zipf_case(sizes[i], &ratio, &gone, &missed);
		CU_ASSERT(ratio >= 0.9);
		/* a blind choice misses as much as is gone; where a slab holds hundreds of
		 * objects of every age, no choice of slabs can do better */
		CU_ASSERT(sizes[i] < 1000 && sizes[i] ? missed < gone + 0.02
						      : missed < gone * 0.97);
	}
}

/* Reclaim must not touch new memory (G6). */
static void test_no_faults(void)
{
	struct rusage before, after;
	struct cache c;

	cache_open(&c, 40000, 0);
	for (unsigned int i = 0; i < c.nr; i++)
		cache_put(&c, i, i % 2 ? 64 : 1024);
	scan_pages(c.pool, 128); /* the code itself, and the stack */
	getrusage(RUSAGE_THREAD, &before);
	for (int i = 0; i < 40; i++)
		scan_pages(c.pool, 128);
	getrusage(RUSAGE_THREAD, &after);
	CU_ASSERT(c.live < 30000);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	(void)before; /* their shadow memory faults */
#else
	EQ(after.ru_minflt - before.ru_minflt, 0);
#endif
	cache_close(&c);
}

/* G10: the child's pool holds what the parent's did, and works. */
static void test_fork(void)
{
	struct cache c;
	int status = -1, ok;
	pid_t pid;

	cache_open(&c, 1024, 0);
	cache_fill(&c, 1024);
	shrink_pool_fork_prepare();
	pid = fork();
	if (!pid) {
		shrink_pool_fork_child();
		scan_pages(c.pool, 128);
		ok = c.live == 512 && cache_put(&c, 0, 5000) && !c.damaged;
		for (unsigned int i = 1; i < c.nr; i++)
			if (c.objects[i])
				cache_drop(&c, i);
		_exit(ok && stats_of(c.pool).live_objects == 1 ? 0 : 1);
	}
	shrink_pool_fork_parent();
	CU_ASSERT_FATAL(pid > 0 && waitpid(pid, &status, 0) == pid);
	EQ(status, 0);
	EQ(scan_pages(c.pool, 128), 128);
	EQ(c.live, 512);
	cache_close(&c);
}

/* A thread of the parent was evicting at the time of fork: the child takes over. */
static void test_fork_evicting(void)
{
	struct cache c;
	struct pool_slab *slab;
	int status = -1;
	size_t offset;
	pid_t pid;

	cache_open(&c, 32, 0);
	cache_fill(&c, 1024);
	slab = shrink_pool_find(c.pool, c.objects[0], &offset);
	CU_ASSERT_FATAL(slab != NULL);
	store_relaxed(&slab->tag, pool_tag(load_relaxed(&slab->tag) >> 8, SLAB_EVICTING));
	shrink_pool_fork_prepare();
	pid = fork();
	if (!pid) {
		shrink_pool_fork_child();
		for (int i = 0; i < 10 && c.live; i++)
			scan_pages(c.pool, 128);
		_exit(c.live != 0);
	}
	shrink_pool_fork_parent();
	CU_ASSERT_FATAL(pid > 0 && waitpid(pid, &status, 0) == pid);
	EQ(status, 0);
	cache_close(&c);
}

static void test_node(void)
{
	struct shrink_control sc = {.nid = 1, .nr_to_scan = 1};
	struct shrink_pool_options o = {.flags = SHRINK_POOL_BIND, .evict = evict};
	struct shrink_pool *pool;
	struct shrinker *s;

	pool = shrink_pool_create(&o, sizeof(o), "bound");
	CU_ASSERT_FATAL(pool != NULL);
	s = shrink_pool_shrinker(pool);
	CU_ASSERT(s->flags & SHRINKER_NUMA_AWARE);
	CU_ASSERT(shrink_pool_alloc(pool, 100) != NULL);
	EQ(s->count_objects(s, &sc), SHRINK_EMPTY);
	sc.nid = 0;
	CU_ASSERT(s->count_objects(s, &sc) > 0);
	shrink_pool_destroy(pool);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"size classes waste little and are found without a division", test_classes},
		{"large classes", test_large_classes},
		{"heat ranks slabs", test_heat},
		{"objects of all sizes, account exact", test_objects},
		{"each misuse has its errno", test_refusals},
		{"creation survives every failing allocation", test_create_fails},
		{"max_bytes and the reserve hold", test_bounds},
		{"allocation fills the densest slab", test_densest_first},
		{"eviction gives every page back", test_evict_all},
		{"a scan keeps to its budget, goal and deadline", test_budget},
		{"all busy: STOP", test_busy},
		{"all referenced: 0, and another tour", test_referenced},
		{"a slab with survivors goes back to use", test_survivors},
		{"pending pages are counted once and completed", test_pending},
		{"pending beside survivors", test_pending_mixed},
		{"destroy with pending objects", test_destroy_pending},
		{"empty slabs are kept within bounds and go unasked", test_kept},
		{"large objects", test_large},
		{"double and foreign frees are reported, never fatal", test_misuse},
		{"marked slabs are spared while they are marked", test_marks},
		{"a new object is not marked", test_mark_is_fresh},
		{"random operations against a model", test_random},
		{"Zipf ages: what is evicted is returned", test_zipf},
		{"G6: a scan touches no new memory", test_no_faults},
		{"G10: fork", test_fork},
		{"G10: fork amid an eviction", test_fork_evicting},
		{"bound to a node", test_node},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool", tests);
}
