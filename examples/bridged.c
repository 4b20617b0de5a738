/* SPDX-License-Identifier: MIT */
/*
 * bridged: a cache inside the kernel's own reclaim. Run as root, in a group of its own:
 *
 *	bridged 60 &
 *	echo 16M > .../memory.reclaim        (or memory.force_empty on cgroup v1)
 *
 * and each line is a pass that the kernel has caused: its priority, what it took, and how
 * long after the kernel's own event it began.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <shrink/shrink.h>

static unsigned long objects = 1000000;

static unsigned long cache_count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return __atomic_load_n(&objects, __ATOMIC_RELAXED);
}

/* A real cache frees its oldest here. */
static unsigned long cache_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long have = cache_count(s, sc);
	unsigned long n = sc->nr_to_scan < have ? sc->nr_to_scan : have;

	__atomic_fetch_sub(&objects, n, __ATOMIC_RELAXED);
	return n;
}

static void print_bridge(void)
{
	struct shrink_source_info infos[24];
	int n = shrink_sources(infos, 24, sizeof(infos[0]));

	for (int i = 0; i < n; i++)
		if (!strcmp(infos[i].name, "bridge"))
			printf("bridge: %s\n", infos[i].reason[0] ? infos[i].reason : "live");
}

static uint64_t print_rounds(uint64_t since)
{
	struct shrink_round rounds[32];
	int n = shrink_rounds(rounds, 32, sizeof(rounds[0]));
	uint64_t last = since;

	for (int i = 0; i < n; i++) {
		if (strcmp(rounds[i].source, "bridge") || rounds[i].begin_nsec <= since)
			continue;
		printf("priority %2d: %8llu objects freed, %llu usec after the kernel's event\n",
		       rounds[i].priority_first, (unsigned long long)rounds[i].freed_objects,
		       (unsigned long long)(rounds[i].begin_nsec - rounds[i].notice_nsec) / 1000);
		if (rounds[i].begin_nsec > last)
			last = rounds[i].begin_nsec;
	}
	fflush(stdout);
	return last;
}

int main(int argc, char **argv)
{
	struct shrinker *s = shrinker_alloc(0, "bridged");
	int seconds = argc > 1 ? atoi(argv[1]) : 1;
	uint64_t since = 0;

	if (!s)
		return 1;
	s->count_objects = cache_count;
	s->scan_objects = cache_scan;
	shrink_conf_set("bridge", "auto");
	if (shrinker_register(s) < 0 || shrink_start(0) < 0)
		return 1;
	print_bridge();
	for (int i = 0; i < seconds * 10; i++) {
		struct timespec tick = {0, 100000000};

		nanosleep(&tick, NULL);
		since = print_rounds(since);
	}
	shrink_stop();
	shrinker_free(s);
	return 0;
}
