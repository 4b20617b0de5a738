// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What test-allocators.sh links with an allocator's archive: the program owns malloc
 * then. Says what the release stage takes it for; told "register", it registers what it
 * is made of, and says how often it was asked.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/shrink.h>

#define OBJECTS 32768ul
#define SIZE	1008ul

#ifdef WITH_JEMALLOC
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
#else
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
		free(object[first++]);
	return n;
}

int main(int argc, char **argv)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_DIRECT, "static");
	struct shrink_release_info info;
	struct shrink_stats stats;

	if (!s || (argc > 1 && !strcmp(argv[1], "register") &&
		   shrink_release_register("mine", predict, release, NULL) < 0))
		return 2;
	for (unsigned long i = 0; i < OBJECTS; i++) {
		object[i] = malloc(SIZE);
		if (!object[i])
			return 2;
		memset(object[i], 1, SIZE);
	}
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = 1024;
	if (shrinker_register(s) < 0 || shrink_conf_set("release_stall", "10000000") < 0 ||
	    shrink_start(0) < 0)
		return 1;
	for (int i = 0; i < 6; i++)
		shrink_all_memory(4ul << 20);
	shrink_release_info(&info, sizeof(info));
	shrink_stats(&stats, sizeof(stats));
	printf("allocator=%s\nowner=%s\nasked=%lu\nfreed=%lu\nreturned=%llu\n", info.allocator,
	       info.owner, asked, first * SIZE, (unsigned long long)stats.returned_bytes);
	shrink_stop();
	shrinker_free(s);
	return 0;
}
