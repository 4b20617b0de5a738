// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Four caches, alike but for their seeks - 1, 2, 4, 8 - for shell tests: does what it is
 * told on standard input, one command a line, and answers with one line. Nothing but the
 * public interface.
 *
 *	conf NAME VALUE     ok | error TEXT
 *	start               ok | error TEXT
 *	source NAME         STATE REASON
 *	dentries DIR N      ok: so many names that do not exist, looked up there
 *	stats               for each cache freedSEEKS=OBJECTS leftSEEKS=OBJECTS; misuses=N
 *	                    counted=N: the times that each was counted at least
 *
 * An object has the size of a dentry. The oldest go first, and pages that have none left
 * go back to the kernel.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <shrink/shrink.h>

#define OBJECT	192ul
#define OBJECTS 65536ul
#define PAGE	4096ul
#define CACHES	4

struct cache {
	pthread_mutex_t lock;
	struct shrinker *shrinker;
	unsigned char *base;
	unsigned long all, gone;
	int seeks;
};

static struct cache caches[CACHES];

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	struct cache *c = s->private_data;

	(void)sc;
	return __atomic_load_n(&c->all, __ATOMIC_RELAXED) -
	       __atomic_load_n(&c->gone, __ATOMIC_RELAXED);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct cache *c = s->private_data;
	unsigned long n, from, to;

	pthread_mutex_lock(&c->lock);
	n = c->all - c->gone < sc->nr_to_scan ? c->all - c->gone : sc->nr_to_scan;
	from = c->gone * OBJECT / PAGE;
	__atomic_store_n(&c->gone, c->gone + n, __ATOMIC_RELAXED);
	to = c->gone * OBJECT / PAGE;
	if (to > from)
		madvise(c->base + from * PAGE, (to - from) * PAGE, MADV_DONTNEED);
	pthread_mutex_unlock(&c->lock);
	sc->bytes_freed = n * OBJECT;
	return n;
}

/* Their sizes differ by their seeks, so that a trace of the kernel's tells which is which. */
static int make(struct cache *c, int seeks)
{
	c->seeks = seeks;
	c->all = OBJECTS + (unsigned long)seeks;
	pthread_mutex_init(&c->lock, NULL);
	c->base = mmap(NULL, c->all * OBJECT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (c->base == MAP_FAILED)
		return -errno;
	memset(c->base, 1, c->all * OBJECT);
	c->shrinker = shrinker_alloc(SHRINKER_SELF_RELEASE, "seeks-%d", seeks);
	if (!c->shrinker)
		return -errno;
	c->shrinker->count_objects = count;
	c->shrinker->scan_objects = scan;
	c->shrinker->private_data = c;
	c->shrinker->object_size = OBJECT;
	c->shrinker->seeks = seeks;
	return shrinker_register(c->shrinker);
}

static void say(int r)
{
	if (r < 0)
		printf("error %s\n", strerror(-r));
	else
		puts("ok");
}

static void say_source(const char *name)
{
	struct shrink_source_info infos[32];
	int n = shrink_sources(infos, 32, sizeof(infos[0]));

	for (int i = 0; i < n; i++)
		if (!strcmp(infos[i].name, name)) {
			printf("%s %s\n", infos[i].state, infos[i].reason);
			return;
		}
	puts("error no such source");
}

static void say_stats(void)
{
	unsigned long misuses = 0, counted = ULONG_MAX;

	for (int i = 0; i < CACHES; i++) {
		struct shrinker_stats st = {0};

		shrinker_stats(caches[i].shrinker, SHRINK_NUMA_NO_NODE, &st, sizeof(st));
		printf("freed%d=%llu left%d=%lu ", caches[i].seeks,
		       (unsigned long long)st.freed_objects, caches[i].seeks,
		       count(caches[i].shrinker, NULL));
		misuses += (unsigned long)st.misuses;
		if (st.counts < counted)
			counted = (unsigned long)st.counts;
	}
	printf("misuses=%lu counted=%lu\n", misuses, counted);
}

static void dentries(const char *dir, unsigned long n)
{
	char path[512];
	struct stat st;

	for (unsigned long i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/none-%lu", dir, i);
		(void)stat(path, &st);
	}
}

static void obey(char *line)
{
	char *word[4] = {0}, *save = NULL;
	int n = 0;

	for (char *p = strtok_r(line, " \n", &save); p && n < 4; p = strtok_r(NULL, " \n", &save))
		word[n++] = p;
	if (n == 1 && !strcmp(word[0], "start"))
		say(shrink_start(0));
	else if (n == 3 && !strcmp(word[0], "conf"))
		say(shrink_conf_set(word[1], word[2]));
	else if (n == 2 && !strcmp(word[0], "source"))
		say_source(word[1]);
	else if (n == 3 && !strcmp(word[0], "dentries"))
		dentries(word[1], strtoul(word[2], NULL, 0)), say(0);
	else if (n == 1 && !strcmp(word[0], "stats"))
		say_stats();
	else
		say(-EINVAL);
}

int main(void)
{
	char line[512];

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < CACHES; i++)
		if (make(&caches[i], 1 << i) < 0)
			return 2;
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	shrink_stop();
	for (int i = 0; i < CACHES; i++)
		shrinker_free(caches[i].shrinker);
	return 0;
}
