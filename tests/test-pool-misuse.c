// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A guarded pool finds what a broken program does, says so, and goes on. */
#include <stdio.h>
#include <string.h>

#include <shrink/conf.h>

#include "tests/pool-cache.h"

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

static void open_guarded(struct pool_cache *c, unsigned int nr, int moving)
{
	nr_lines = 0;
	last_line[0] = '\0';
	shrink_set_log(note_line, NULL);
	EQ(shrink_conf_set("pool_debug", "on"), 0);
	if (moving)
		pool_cache_open_moving(c, nr, 0);
	else
		pool_cache_open(c, nr, 0);
	EQ(shrink_conf_set("pool_debug", "off"), 0);
}

static void close_guarded(struct pool_cache *c)
{
	shrink_set_log(NULL, NULL);
	pool_cache_close(c);
}

/* The last line told of @object, and had @text in it. */
#define TOLD(object, text) told(object, text, __LINE__)
static void told(const void *object, const char *text, int line)
{
	char address[32], name[128];

	snprintf(address, sizeof(address), "%p", object);
	snprintf(name, sizeof(name), "line %d: '%s' of %s", line, text, address);
	CU_assertImplementation(strstr(last_line, address) && strstr(last_line, text) &&
					strstr(last_line, "pool test"),
				(unsigned int)line, name, __FILE__, "", 1);
	if (!strstr(last_line, text))
		printf("# said: %s\n", last_line);
	last_line[0] = '\0';
}

static void test_bad_frees(void)
{
	struct pool_cache c;
	struct object *o;
	int local;

	open_guarded(&c, 64, 0);
	pool_cache_fill(&c, 1000);
	o = c.objects[50];
	pool_cache_drop(&c, 50);
	shrink_pool_free(c.pool, o);
	TOLD(o, "was freed before");
	shrink_pool_free(c.pool, &local);
	TOLD(&local, "no memory of this pool");
	shrink_pool_free(c.pool, c.objects[51]->fill);
	TOLD(c.objects[51]->fill, "8 bytes behind the start of a place of 1024");
	shrink_pool_free(c.pool, c.pool->data + 2 * MIB);
	TOLD(c.pool->data + 2 * MIB, "freed or evicted before");
	EQ(pool_cache_stats(c.pool).bad_frees, 4);
	EQ(pool_cache_stats(c.pool).damaged, 0);
	EQ(nr_lines, 4);
	EQ(pool_cache_stats(c.pool).live_objects, 63);
	CU_ASSERT(pool_cache_put(&c, 50, 1000) != NULL); /* and all goes on */
	shrink_pool_free(c.pool, c.objects[50]);
	EQ(pool_cache_stats(c.pool).bad_frees, 4);
	close_guarded(&c);
}

/* Where a neighbour refuses, the slab stays, and what was evicted of it can be told. */
static void test_evicted(void)
{
	struct object *o[64];
	unsigned int gone = 0;
	struct pool_cache c;

	open_guarded(&c, 64, 0);
	pool_cache_fill(&c, 1000);
	memcpy(o, c.objects, sizeof(o));
	pool_cache_scan_pages(c.pool, 4); /* one slab goes whole */
	while (gone < 64 && c.objects[gone])
		gone++;
	CU_ASSERT_FATAL(gone < 64);
	shrink_pool_free(c.pool, o[gone]);
	TOLD(o[gone], "all of its slab was freed or evicted");
	c.modulus = 4;
	c.verdict[3] = SHRINK_BUSY;
	for (int i = 0; i < 8; i++)
		pool_cache_scan_pages(c.pool, 16);
	for (gone = 0; gone < 64; gone++)
		if (!c.objects[gone] && shrink_pool_usable(c.pool, o[gone]))
			break;
	CU_ASSERT_FATAL(gone < 64);
	shrink_pool_free(c.pool, o[gone]);
	TOLD(o[gone], "was evicted before");
	EQ(pool_cache_stats(c.pool).bad_frees, 2);
	EQ(pool_cache_stats(c.pool).live_objects, c.live);
	close_guarded(&c);
}

static void test_moved(void)
{
	struct object *o[256];
	struct pool_cache c;
	unsigned int i;

	open_guarded(&c, 256, 1);
	pool_cache_fill(&c, 1000);
	memcpy(o, c.objects, sizeof(o));
	c.modulus = 4;
	c.verdict[3] = SHRINK_BUSY; /* refuses to move, too, so that slabs stay */
	for (i = 0; i < 256; i++)
		if (i % 8 < 2)
			shrink_pool_mark(c.pool, o[i]);
	for (i = 0; i < 32; i++)
		pool_cache_scan_pages(c.pool, 16);
	CU_ASSERT_FATAL(c.moved > 0);
	for (i = 0; i < 256; i++)
		if (c.objects[i] && c.objects[i] != o[i] && shrink_pool_usable(c.pool, o[i]))
			break;
	CU_ASSERT_FATAL(i < 256);
	shrink_pool_free(c.pool, o[i]);
	TOLD(o[i], "was moved before");
	EQ(pool_cache_stats(c.pool).damaged, 0);
	close_guarded(&c);
}

static void write_at(struct object *o, size_t at, unsigned char byte)
{
	((volatile unsigned char *)o)[at] = byte;
}

/* AddressSanitizer would end us at the very byte, which is another test's. */
#ifdef __SANITIZE_ADDRESS__
#define ENDS_US 1
#else
#define ENDS_US 0
#endif

static void test_beyond(void)
{
	struct pool_cache c;
	struct object *o;

	if (ENDS_US)
		SKIP("AddressSanitizer finds it first");
	open_guarded(&c, 64, 0);
	pool_cache_fill(&c, 1000);
	EQ(shrink_pool_usable(c.pool, c.objects[0]), 1000);
	o = c.objects[7];
	write_at(o, 1000, 0x41);
	pool_cache_drop(&c, 7); /* found, and freed all the same */
	TOLD(o, "beyond its end: byte 1000 is 0x41, expected 0xe5");
	o = c.objects[8];
	write_at(o, 1023, 0x41);
	write_at(o, 1022, 0x41);
	write_at(o, 1017, 0x41); /* the trailer */
	pool_cache_drop(&c, 8);
	TOLD(o, "beyond its end, up to byte");
	EQ(pool_cache_stats(c.pool).damaged, 2);
	EQ(pool_cache_stats(c.pool).bad_frees, 0);
	write_at(c.objects[9], 1001, 0);
	for (int i = 0; i < 8 && c.live; i++)
		pool_cache_scan_pages(c.pool, 16);
	EQ(c.live, 0);
	EQ(pool_cache_stats(c.pool).damaged, 3);
	CU_ASSERT(strstr(last_line, "byte 1001 is 0x00") != NULL);
	close_guarded(&c);
}

static void test_after_free(void)
{
	struct pool_cache c;
	struct object *o;

	if (ENDS_US)
		SKIP("AddressSanitizer finds it first");
	open_guarded(&c, 64, 0);
	pool_cache_fill(&c, 1000);
	o = c.objects[7];
	pool_cache_drop(&c, 7);
	write_at(o, 500, 0x41);
	EQ(nr_lines, 0);
	while (shrink_pool_alloc(c.pool, 1000) != o)
		CU_ASSERT_FATAL(pool_cache_stats(c.pool).live_objects < 1000);
	TOLD(o, "1000 bytes, was written to after it was freed: byte 500 is 0x41, expected 0xdb");
	EQ(pool_cache_stats(c.pool).damaged, 1);
	close_guarded(&c);
}

/* What is right is not reported: all sizes, every operation, up to the last byte. */
static void test_clean(void)
{
	uint64_t seed = 0xc1ea4, r;
	struct pool_cache c;

	open_guarded(&c, 2000, 1);
	c.modulus = 4;
	c.verdict[1] = SHRINK_EVICT_PENDING;
	for (unsigned int step = 0; step < 30000; step++) {
		unsigned int place = (unsigned int)(pool_cache_random(&seed) % c.nr);

		r = pool_cache_random(&seed);
		c.verdict[2] = r & 1 ? SHRINK_REFERENCED : SHRINK_EVICTED;
		c.verdict[3] = r & 6 ? SHRINK_BUSY : SHRINK_EVICTED;
		if (r % 200 == 0)
			pool_cache_scan_pages(c.pool, r >> 20 & 63);
		else if (c.objects[place] && r % 3)
			shrink_pool_mark(c.pool, c.objects[place]);
		else if (c.objects[place])
			pool_cache_drop(&c, place);
		else
			pool_cache_put(&c, place, 8 + (r >> 30) % ((size_t)64 << (r >> 50) % 11));
		while (c.nr_pending)
			shrink_pool_free(c.pool, c.pending[--c.nr_pending]);
	}
	CU_ASSERT(c.moved > 0 && pool_cache_stats(c.pool).evicted_objects > 0);
	EQ(pool_cache_stats(c.pool).damaged, 0);
	EQ(pool_cache_stats(c.pool).bad_frees, 0);
	EQ(nr_lines, 0);
	close_guarded(&c);
}

static void test_flag(void)
{
	struct shrink_pool_options o = {.flags = SHRINK_POOL_DEBUG, .object_max = 4 * MIB};
	static const unsigned char zeros[SHRINK_POOL_HEAD];
	struct shrink_pool *pool = shrink_pool_create(&o, sizeof(o), "flag");
	unsigned char *p;

	CU_ASSERT_FATAL(pool != NULL);
	CU_ASSERT(!shrink_pool_alloc(pool, 4 * MIB));
	for (size_t size = 1; size <= 4 * MIB - 16; size = size * 3 + 1) {
		p = shrink_pool_alloc(pool, size);
		CU_ASSERT_FATAL(p != NULL);
		EQ(shrink_pool_usable(pool, p), size);
		CU_ASSERT(!memcmp(p, zeros, size < sizeof(zeros) ? size : sizeof(zeros)));
		memset(p, 0xff, size);
		shrink_pool_free(pool, p);
	}
	EQ(pool_cache_stats(pool).damaged, 0);
	shrink_pool_destroy(pool);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"frees of what is no object say what it is", test_bad_frees},
		{"free of what was evicted", test_evicted},
		{"free of what was moved", test_moved},
		{"writes beyond the end", test_beyond},
		{"a write after free", test_after_free},
		{"nothing is said of a program that does right", test_clean},
		{"guarded by flag, objects of all sizes", test_flag},
		{NULL, NULL},
	};

	return test_main(argc, argv, "pool-misuse", tests);
}
