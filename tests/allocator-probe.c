// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A cache on the process's malloc, made to give up half of itself; says what the release
 * stage found, and what came back.
 *
 *	allocator-probe fifo|random [register]	key=value lines
 *
 * As it is, it has the malloc that LD_PRELOAD gives it. test-allocators.sh links it with
 * an archive too, WITH_JEMALLOC or WITH_TCMALLOC, which it can register; PREFIXED: the
 * cache is on an allocator that is not malloc, which all its names say (je_malloc).
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#define OBJECTS 65536ul
#define SIZE	1008ul
#define MIB	(1ul << 20)
#define ROUNDS	12

#ifdef PREFIXED
#define mallctl	     je_mallctl
#define cache_malloc je_malloc
#define cache_free   je_free
void *je_malloc(size_t size);
void je_free(void *object);
#else
#define cache_malloc malloc
#define cache_free   free
#endif

#if defined(WITH_JEMALLOC)
int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);

static uint64_t gives(void)
{
	uint64_t epoch = 1;
	size_t pages = 0, size = sizeof(pages);

	mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	mallctl("stats.arenas.4096.pdirty", &pages, &size, NULL, 0);
	return pages * 4096;
}

static void give(uint64_t want)
{
	(void)want;
	mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
}
#elif defined(WITH_TCMALLOC)
int MallocExtension_GetNumericProperty(const char *name, size_t *value);
void MallocExtension_ReleaseToSystem(size_t bytes);

static uint64_t gives(void)
{
	size_t value = 0;

	MallocExtension_GetNumericProperty("tcmalloc.pageheap_free_bytes", &value);
	return value;
}

static void give(uint64_t want)
{
	MallocExtension_ReleaseToSystem(want);
}
#else
/* What belongs to somebody who does not own malloc must not be called. */
__attribute__((visibility("default"))) int mallctl(const char *name, void *old, size_t *old_size,
						   void *new, size_t new_size);
int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
{
	(void)name;
	(void)old;
	(void)old_size;
	(void)new;
	(void)new_size;
	abort();
}

static uint64_t gives(void)
{
	return 0;
}

static void give(uint64_t want)
{
	(void)want;
}
#endif

static void *object[OBJECTS];
static unsigned long first, asked;

static uint64_t predict(void *arg)
{
	(void)arg;
	return gives();
}

static uint64_t release(void *arg, uint64_t want)
{
	uint64_t before = gives(), after;

	(void)arg;
	asked++;
	give(want);
	after = gives();
	return before > after ? before - after : 0;
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return first < OBJECTS ? OBJECTS - first : SHRINK_EMPTY;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n;

	(void)s;
	for (n = 0; n < sc->nr_to_scan && first < OBJECTS; n++)
		cache_free(object[first++]);
	return n;
}

static void fill(int random)
{
	uint64_t x = 88172645463325252ull;

	for (unsigned long i = 0; i < OBJECTS; i++) {
		object[i] = cache_malloc(SIZE);
		if (!object[i])
			exit(1);
		memset(object[i], 1, SIZE);
	}
	for (unsigned long i = OBJECTS - 1; random && i; i--) {
		unsigned long j;
		void *t = object[i];

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = x % (i + 1);
		object[i] = object[j];
		object[j] = t;
	}
}

static void report(uint64_t freed)
{
	struct shrink_release_info info;
	struct shrink_stats stats;

	shrink_release_info(&info, sizeof(info));
	shrink_stats(&stats, sizeof(stats));
	printf("allocator=%s\nowner=%s\nfreed=%llu\nreturned=%llu\nruns=%llu\nleft_out=%llu\n"
	       "yield=%u\nusec_max=%llu\nasked=%lu\n",
	       info.allocator, info.owner, (unsigned long long)freed,
	       (unsigned long long)stats.returned_bytes, (unsigned long long)info.runs,
	       (unsigned long long)info.left_out_yield, info.yield_percent,
	       (unsigned long long)info.usec_max, asked);
}

int main(int argc, char **argv)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_DIRECT, "probe");
	uint64_t freed = 0;

	if (argc < 2 || !s)
		return 2;
	if (argc > 2 && !strcmp(argv[2], "register") &&
	    shrink_release_register("mine", predict, release, NULL) < 0)
		return 2;
	fill(!strcmp(argv[1], "random"));
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = 1024;
	/* this is about bytes; the machine may be busy */
	if (shrinker_register(s) < 0 || shrink_conf_set("release_stall", "10000000") < 0 ||
	    shrink_start(0) < 0)
		return 1;
	for (int i = 0; i < ROUNDS && first < OBJECTS / 4 * 3; i++)
		freed += shrink_all_memory(4 * MIB);
	report(freed);
	shrink_stop();
	shrinker_free(s);
	return 0;
}
