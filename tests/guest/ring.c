// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * A program with a cache, for shell tests: does what it is told on standard input,
 * one command a line, and answers with one line. Nothing but the public interface.
 *
 *	start                       ok | error TEXT
 *	conf NAME VALUE             ok | error TEXT
 *	fill MIB MIB_PER_SEC [NODE] ok: adds to the cache of that memory node
 *	stats                       cache_bytes=N freed_bytes=N ... intact=1
 *	limits                      limit=N usage=N high=N kind=N path=DIR
 *	source NAME                 STATE events=N REASON
 *	rounds                      for each source of rounds: NAME=HOW MANY
 *	passes SOURCE               n=N lowest=PRIORITY level=L: of its rounds kept
 *	pretend OBJECTS [NODE]      ok: as many more, without memory, gone first
 *
 * It ends with the input: with 0, if all that the cache still has is as it was put
 * there. Objects are 64 KiB in one mapping a node, bound to it, the oldest go first.
 * Those pretended are for mild priorities, at which a machine of this size has too few.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <shrink/shrink.h>

#define MIB    (1024ULL * 1024)
#define OBJECT (64ULL * 1024)
#define SLOTS  16384ULL
#define NODES  2

struct ring {
	pthread_mutex_t lock;
	unsigned char *base;
	_Atomic uint64_t head, tail;
	_Atomic uint64_t pretended;
};

static struct ring rings[NODES] = {
	{.lock = PTHREAD_MUTEX_INITIALIZER},
	{.lock = PTHREAD_MUTEX_INITIALIZER},
};
static struct shrinker *shrinker;

static struct ring *ring_of(int nid)
{
	return &rings[nid > 0 && nid < NODES ? nid : 0];
}

static unsigned char *object(const struct ring *r, uint64_t i)
{
	return r->base + i % SLOTS * OBJECT;
}

static unsigned long ring_count(struct shrinker *s, struct shrink_control *sc)
{
	struct ring *r = ring_of(sc->nid);

	(void)s;
	return (unsigned long)(r->pretended + r->head - r->tail);
}

/* Under the lock: how many of @n are only pretended. */
static unsigned long take_pretended(struct ring *r, unsigned long n)
{
	if (n > r->pretended)
		n = (unsigned long)r->pretended;
	r->pretended -= n;
	return n;
}

static unsigned long ring_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct ring *r = ring_of(sc->nid);
	unsigned long n;

	(void)s;
	pthread_mutex_lock(&r->lock);
	n = take_pretended(r, sc->nr_to_scan);
	for (; n < sc->nr_to_scan && r->tail < r->head; n++)
		madvise(object(r, r->tail++), OBJECT, MADV_DONTNEED);
	pthread_mutex_unlock(&r->lock);
	sc->bytes_freed = n * OBJECT;
	return n;
}

static int ring_init(struct ring *r, int nid)
{
	unsigned long mask = 1UL << nid;

	r->base = mmap(NULL, SLOTS * OBJECT, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->base == MAP_FAILED)
		return -errno;
	if (madvise(r->base, SLOTS * OBJECT, MADV_NOHUGEPAGE) < 0)
		return -errno;
	/* one node or a kernel without: everything is node 0's */
	if (syscall(SYS_mbind, r->base, SLOTS * OBJECT, MPOL_BIND, &mask, 64UL, 0) < 0 && !nid)
		return errno == ENOSYS ? 0 : -errno;
	return 0;
}

/* What was not given up is as it was written. */
static int intact(struct ring *r)
{
	int ok = 1;

	pthread_mutex_lock(&r->lock);
	for (uint64_t i = r->tail; i < r->head; i++)
		for (uint64_t k = 0; k < OBJECT; k += 4096)
			ok &= object(r, i)[k] == (unsigned char)(i % 251 + 1);
	pthread_mutex_unlock(&r->lock);
	return ok;
}

static uint64_t now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void nap_until(uint64_t nsec)
{
	struct timespec ts = {
		.tv_sec = (time_t)(nsec / 1000000000),
		.tv_nsec = (long)(nsec % 1000000000),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* Time lost to a busy machine is not made up for: that would be a burst. */
static void fill(struct ring *r, uint64_t mib, uint64_t mib_per_sec)
{
	uint64_t each = OBJECT * 1000000000 / (mib_per_sec * MIB), due = now_nsec();

	for (uint64_t n = 0; n < mib * MIB / OBJECT && r->head - r->tail < SLOTS; n++) {
		uint64_t now = now_nsec();

		if (now < due)
			nap_until(due);
		else
			due = now;
		due += each;
		/* the scan takes from the other end, and not what is being written */
		memset(object(r, r->head), (int)(r->head % 251) + 1, OBJECT);
		r->head++;
	}
}

static void say(int r)
{
	if (r < 0)
		printf("error %s\n", strerror(-r));
	else
		puts("ok");
}

static void say_stats(void)
{
	struct shrink_stats st = {0};

	shrink_stats(&st, sizeof(st));
	printf("cache_bytes=%llu",
	       (unsigned long long)(rings[0].head - rings[0].tail + rings[1].head - rings[1].tail) *
		       OBJECT);
	for (int i = 0; i < NODES; i++) {
		struct shrinker_stats node = {0};

		shrinker_stats(shrinker, i, &node, sizeof(node));
		printf(" freed%d=%llu scans%d=%llu cache%d=%llu", i,
		       (unsigned long long)node.freed_bytes, i, (unsigned long long)node.scans, i,
		       (unsigned long long)(rings[i].head - rings[i].tail) * OBJECT);
	}
	printf(" pretended=%llu freed_bytes=%llu returned_bytes=%llu rounds=%llu level=%u "
	       "misuses=%llu intact=%d\n",
	       (unsigned long long)(rings[0].pretended + rings[1].pretended),
	       (unsigned long long)st.freed_bytes, (unsigned long long)st.returned_bytes,
	       (unsigned long long)st.rounds, st.level, (unsigned long long)st.misuses,
	       intact(&rings[0]) && intact(&rings[1]));
}

static void say_limits(void)
{
	struct shrink_limits l;
	int r = shrink_limits(&l, sizeof(l));

	if (r < 0)
		say(r);
	else
		printf("limit=%llu usage=%llu high=%llu kind=%u path=%s\n",
		       (unsigned long long)l.limit, (unsigned long long)l.usage,
		       (unsigned long long)l.high_wmark, l.kind, l.path);
}

static void say_source(const char *name)
{
	struct shrink_source_info infos[32];
	int n = shrink_sources(infos, 32, sizeof(infos[0]));

	for (int i = 0; i < n; i++)
		if (!strcmp(infos[i].name, name)) {
			printf("%s events=%llu %s\n", infos[i].state,
			       (unsigned long long)infos[i].events, infos[i].reason);
			return;
		}
	puts("error no such source");
}

/* Names in the order they come, each with its number. */
static void say_rounds(void)
{
	struct shrink_round rounds[64];
	int n = shrink_rounds(rounds, 64, sizeof(rounds[0]));

	printf("rounds");
	for (int i = 0; i < n; i++) {
		int same = 0, first = 1;

		for (int k = 0; k < n; k++) {
			if (strcmp(rounds[k].source, rounds[i].source))
				continue;
			first &= k >= i;
			same++;
		}
		if (first)
			printf(" %s=%d", rounds[i].source, same);
	}
	putchar('\n');
}

static void say_passes(const char *source)
{
	struct shrink_round rounds[64];
	int n = shrink_rounds(rounds, 64, sizeof(rounds[0])), of = 0, lowest = 12;
	unsigned int level = 0;

	for (int i = 0; i < n; i++) {
		if (strcmp(rounds[i].source, source))
			continue;
		of++;
		if (rounds[i].priority_last < lowest)
			lowest = rounds[i].priority_last;
		if (rounds[i].level > level)
			level = rounds[i].level;
	}
	printf("n=%d lowest=%d level=%u\n", of, lowest, level);
}

static void pretend(struct ring *r, uint64_t objects)
{
	r->pretended += objects;
	say(0);
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
	else if (n >= 3 && !strcmp(word[0], "fill"))
		fill(ring_of(n > 3 ? atoi(word[3]) : 0), strtoull(word[1], NULL, 0),
		     strtoull(word[2], NULL, 0)),
			say(0);
	else if (n == 1 && !strcmp(word[0], "stats"))
		say_stats();
	else if (n == 1 && !strcmp(word[0], "limits"))
		say_limits();
	else if (n == 2 && !strcmp(word[0], "source"))
		say_source(word[1]);
	else if (n == 1 && !strcmp(word[0], "rounds"))
		say_rounds();
	else if (n == 2 && !strcmp(word[0], "passes"))
		say_passes(word[1]);
	else if (n >= 2 && !strcmp(word[0], "pretend"))
		pretend(ring_of(n > 2 ? atoi(word[2]) : 0), strtoull(word[1], NULL, 0));
	else
		say(-EINVAL);
}

int main(void)
{
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < NODES; i++)
		if (ring_init(&rings[i], i) < 0)
			return 2;
	shrinker = shrinker_alloc(SHRINKER_SELF_RELEASE | SHRINKER_NUMA_AWARE, "ring");
	if (!shrinker)
		return 2;
	shrinker->count_objects = ring_count;
	shrinker->scan_objects = ring_scan;
	shrinker->object_size = OBJECT;
	shrinker->batch = 16;
	if (shrinker_register(shrinker) < 0)
		return 2;
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	shrink_stop();
	shrinker_free(shrinker);
	return !intact(&rings[0]) || !intact(&rings[1]);
}
