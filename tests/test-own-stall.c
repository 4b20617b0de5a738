// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Stall of our own group beside a machine that has room. Where the group's limit is hidden
 * from us - by a cgroup namespace - stall and swap are all there is to go by: enough is
 * freed, and hardly more. Where the group's limit is known and has room, where the machine
 * itself reclaims, or the kernel has page cache to take, nothing is.
 *
 * In virtual time, on the kernel's files as they would be: a neighbour in our group takes
 * what there is, and waits for the rest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <shrink/shrink.h>
#include <libshrink/base/bits.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/reclaim/engine.h>
#include <libshrink/reclaim/level.h>
#include <libshrink/source/judge.h>
#include <libshrink/source/monitor.h>

#include "tests/faulty.h"
#include "tests/harness.h"

#define MB    (1ULL << 20)
#define SIZE  4096ULL
#define STEP  (5 * NSEC_PER_MSEC)
#define SEC   NSEC_PER_SEC
/* what may be freed beyond the need */
#define MORE(need) ((need) + (need) / 10 + 128 * SIZE)

static struct {
	uint64_t objects, freed;  /* the cache: objects, bytes */
	uint64_t hog, wants;      /* the neighbour: bytes */
	uint64_t limit, shown;    /* true one, and what memory.max says */
	uint64_t files;           /* page cache that the kernel may take */
	uint64_t stall, swapped, reclaimed;
	bool swaps;               /* the kernel makes room by swap, and nobody waits */
	bool machine_reclaims;
} w;

static uint64_t needed(void)
{
	return w.objects * SIZE + w.hog - w.swapped;
}

static uint64_t cache_now(void)
{
	return shrink_min_u64(w.files, shrink_sub_u64(w.limit, needed()));
}

static void compose(enum file f, int group, char *text, size_t size)
{
	(void)group;
	switch (f) {
	case SELF_CGROUP: snprintf(text, size, "0::/a\n"); break;
	case MOUNTINFO: snprintf(text, size, "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n"); break;
	case STATUS:
		snprintf(text, size, "RssAnon:\t%" PRIu64 " kB\nRssShmem:\t0 kB\nVmSwap:\t%" PRIu64
			 " kB\nSeccomp:\t0\n", (uint64_t)(w.objects * SIZE >> 10),
			 (uint64_t)(w.swapped >> 10));
		break;
	case MEMINFO:
		snprintf(text, size, "MemTotal: 67108864 kB\nMemAvailable: 50331648 kB\n"
			 "SwapTotal: 8388608 kB\nSwapFree: 7340032 kB\n");
		break;
	case VMSTAT:
		snprintf(text, size, "nr_free_pages 1\npgscan_kswapd %" PRIu64 "\npgscan_direct 7\n"
			 "allocstall_dma 0\nallocstall_normal 3\n", w.reclaimed);
		break;
	case ZONEINFO:
		snprintf(text, size, "Node 0, zone   Normal\n  pages free     8388608\n"
			 "        min      1000\n        low      1250\n        high     1500\n"
			 "        managed  16777216\n");
		break;
	case CURRENT: snprintf(text, size, "%" PRIu64 "\n", needed() + cache_now()); break;
	case MAX:
		if (w.shown == UINT64_MAX)
			snprintf(text, size, "max\n");
		else
			snprintf(text, size, "%" PRIu64 "\n", w.shown);
		break;
	case HIGH: case SWAP_MAX: snprintf(text, size, "max\n"); break;
	case SWAP_CURRENT: snprintf(text, size, "%" PRIu64 "\n", w.swapped); break;
	case STAT:
		snprintf(text, size, "anon %" PRIu64 "\ninactive_file %" PRIu64 "\nactive_file 0\n",
			 needed(), cache_now());
		break;
	case EVENTS: snprintf(text, size, "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"); break;
	case PRESSURE:
		snprintf(text, size, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%" PRIu64 "\n"
			 "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", w.stall);
		break;
	default: snprintf(text, size, "1\n"); break;
	}
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return w.objects;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = sc->nr_to_scan < w.objects ? sc->nr_to_scan : w.objects;

	(void)s;
	w.objects -= n;
	w.freed += n * SIZE;
	return n;
}

/* It takes what there is; page cache makes room at once, swap does, or it waits. */
static void neighbour(void)
{
	uint64_t take = shrink_min_u64(8 * MB, w.wants - w.hog);
	uint64_t room = shrink_sub_u64(w.limit, needed());

	w.reclaimed += w.machine_reclaims;
	if (take > room && w.swaps) {
		w.swapped += take - room;
		room = take;
	} else if (take > room || (w.files && room < w.files && take)) {
		w.stall += STEP / 1000;
	}
	w.hog += shrink_min_u64(take, room);
}

static void settle(void)
{
	for (int i = 0; i < 64; i++) {
		shrink_monitor_turn();
		shrink_engine_run_chore();
		if (!shrink_engine_busy())
			return;
		shrink_engine_run_pending(0);
	}
}

static void live(uint64_t nsec)
{
	for (uint64_t t = 0; t < nsec; t += STEP) {
		neighbour();
		shrink_os_clock_advance(STEP);
		settle();
	}
}

static struct shrinker *begin(void)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_SELF_RELEASE, "c");

	CU_ASSERT_FATAL(s != NULL);
	memset(&w, 0, sizeof(w));
	w.limit = 1024 * MB;
	w.shown = UINT64_MAX;
	w.objects = 800 * MB / SIZE;
	s->count_objects = count;
	s->scan_objects = scan;
	s->object_size = SIZE;
	ASSERT_INT(shrinker_register(s), 0);
	faulty_begin(1, 2, compose);
	shrink_os_clock_simulate(1);
	CU_ASSERT_FATAL(shrink_monitor_open() > 0);
	shrink_judge_reset();
	shrink_engine_reset(NULL);
	shrink_gate_open();
	live(3 * SEC); /* quiet */
	ASSERT_INT(w.freed, 0);
	return s;
}

static void end(struct shrinker *s)
{
	shrink_gate_close(0);
	shrink_engine_reset(NULL);
	shrink_monitor_close();
	shrink_level_reset();
	shrink_os_clock_simulate(0);
	ASSERT_INT(shrink_os_fd_count(), 0);
	shrinker_free(s);
}

/* 200 MB more than there is room for. */
static void hog_comes(void)
{
	w.wants = w.limit - w.objects * SIZE + 200 * MB;
}

static void hidden_limit(void)
{
	struct shrinker *s = begin();

	hog_comes();
	live(20 * SEC);
	ASSERT_INT(w.hog, w.wants);
	CU_ASSERT(w.freed >= 200 * MB && w.freed <= MORE(200 * MB));
	end(s);
}

/* Room in our own group, by its own limit: whatever stalls, memory is not what it lacks. */
static void known_limit_with_room(void)
{
	struct shrinker *s = begin();

	w.shown = w.limit = 4096 * MB;
	for (int i = 0; i < 200; i++) {
		w.stall += 100000;
		live(20 * STEP);
	}
	ASSERT_INT(w.freed, 0);
	ASSERT_INT(shrink_level(), SHRINK_LEVEL_NORMAL);
	end(s);
}

/* Limited, and stalled for it; then not any more. What stalled is not news afterwards. */
static void lifted_limit(void)
{
	struct shrinker *s = begin();
	uint64_t freed;

	w.shown = w.limit;
	hog_comes();
	live(3 * SEC);
	ASSERT_INT(w.hog, w.wants);
	freed = w.freed;
	CU_ASSERT(freed >= 200 * MB);
	w.stall += 500000;
	w.shown = UINT64_MAX;
	w.limit = 4096 * MB;
	live(5 * SEC);
	ASSERT_INT(w.freed, freed);
	/* and hidden from then on, it is answered again */
	w.limit = needed() + 10 * MB;
	hog_comes();
	live(20 * SEC);
	ASSERT_INT(w.hog, w.wants);
	end(s);
}

static void machine_reclaims(void)
{
	struct shrinker *s = begin();

	w.machine_reclaims = true;
	live(SEC);
	for (int i = 0; i < 200; i++) {
		w.stall += 100000;
		live(20 * STEP);
	}
	ASSERT_INT(w.freed, 0);
	/* and when it has come to rest, what stalls is our group */
	w.machine_reclaims = false;
	hog_comes();
	live(30 * SEC);
	ASSERT_INT(w.hog, w.wants);
	end(s);
}

static void not_known_whether_it_does(void)
{
	struct shrinker *s = begin();

	faulty[VMSTAT] = READ_EIO;
	hog_comes();
	live(5 * SEC);
	ASSERT_INT(w.freed, 0);
	end(s);
}

/* The hidden limit is met by page cache, which the kernel takes. */
static void page_cache(void)
{
	struct shrinker *s = begin();

	w.files = 150 * MB;
	w.wants = 100 * MB;
	live(SEC);
	for (int i = 0; i < 100; i++) {
		w.stall += 100000;
		live(20 * STEP);
	}
	ASSERT_INT(w.freed, 0);
	end(s);
}

static void swap_alone(void)
{
	struct shrinker *s = begin();

	ASSERT_INT(shrink_conf_set("psi", "off"), 0);
	end(s);
	s = begin();
	w.swaps = true;
	w.wants = w.limit - w.objects * SIZE + 48 * MB;
	live(5 * SEC);
	ASSERT_INT(w.hog, w.wants);
	CU_ASSERT(w.swapped >= 20 * MB);
	/* what went out, and no more */
	CU_ASSERT(w.freed >= w.swapped - MB && w.freed <= MORE(w.swapped));
	end(s);
	/* beside a limit that is known and has room it is not for want of memory */
	s = begin();
	w.shown = w.limit = 4096 * MB;
	live(SEC);
	w.swapped = 48 * MB;
	live(5 * SEC);
	ASSERT_INT(w.freed, 0);
	end(s);
	ASSERT_INT(shrink_conf_set("psi", "on"), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"a hidden limit: stall of our group is answered", hidden_limit},
		{"G7: a known limit that has room: it is not", known_limit_with_room},
		{"G7: a limit that was lifted", lifted_limit},
		{"G7: a machine that reclaims: nobody knows whose it is", machine_reclaims},
		{"G7: not known whether it reclaims", not_known_whether_it_does},
		{"G7: page cache the kernel can take", page_cache},
		{"swap alone: as much as went out", swap_alone},
		{NULL, NULL},
	};

	shrink_conf_set("log", "0");
	shrink_conf_set("peers", "off");
	return test_main(argc, argv, "own-stall", tests);
}
