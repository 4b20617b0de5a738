// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The bridge through perf without a kernel: records into events (who is reclaimed), and
 * the ring they lie in, with what a kernel may write there and what none would.
 */
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/bridge/attribute.h>
#include <libshrink/bridge/perf-ring.h>
#include <libshrink/os/numa.h>

#include "tests/harness.h"
#include "tests/random.h"

#define MSEC	  1000000ull
#define OUR_GROUP 77
#define OURS	  10 /* processes */
#define OTHERS	  20
#define KSWAPD	  30
#define NEW	  40

static struct attribute a;
static struct follow_event event;
static uint64_t now;

static enum members_answer of_new; /* what is known of NEW */

static enum members_answer is_ours(void *arg, uint32_t pid)
{
	(void)arg;
	if (pid == NEW)
		return of_new;
	return pid == OURS ? MEMBERS_YES : MEMBERS_NO;
}

static void begin(void)
{
	memset(&a, 0, sizeof(a));
	a.group = OUR_GROUP;
	a.ours = is_ours;
	now = 5000 * MSEC;
}

/* A millisecond later than the last. */
static bool record(enum attribute_kind kind, uint32_t pid, int nid, int priority)
{
	struct attribute_record r = {
		.nsec = now += MSEC,
		.kind = kind,
		.pid = pid,
		.tid = pid + 1,
		.nid = nid,
		.priority = priority,
	};

	memset(&event, 0, sizeof(event));
	return shrink_attribute(&a, &r, &event);
}

static bool slab(uint32_t pid, int nid, int priority)
{
	return record(ATTRIBUTE_SLAB, pid, nid, priority);
}

static void assert_event(enum follow_kind kind, uint64_t group, int nid, int priority)
{
	ASSERT_INT(event.kind, kind);
	ASSERT_INT(event.group, group);
	ASSERT_INT(event.nid, nid);
	ASSERT_INT(event.priority, priority);
	ASSERT_INT(event.nsec, now);
}

static void test_own(void)
{
	begin();
	CU_ASSERT(record(ATTRIBUTE_MEMCG_BEGIN, OURS, -1, -1));
	assert_event(FOLLOW_HINT, OUR_GROUP, -1, -1);
	CU_ASSERT(slab(OURS, 1, 12));
	assert_event(FOLLOW_RECLAIM, OUR_GROUP, 1, 12);
	CU_ASSERT(slab(OURS, 1, 0)); /* not drop_caches: it is in a reclaim */
	assert_event(FOLLOW_RECLAIM, OUR_GROUP, 1, 0);
	CU_ASSERT(!record(ATTRIBUTE_END, OURS, -1, -1));
	/* its begin was not seen: the bridge was opened amid it */
	CU_ASSERT(slab(OURS, 0, 9));
	assert_event(FOLLOW_RECLAIM, OUR_GROUP, 0, 9);
}

/* G7: what a stranger does in its own group is none of our business. */
static void test_others(void)
{
	begin();
	CU_ASSERT(!record(ATTRIBUTE_MEMCG_BEGIN, OTHERS, -1, -1));
	for (int priority = 12; priority >= 0; priority--)
		CU_ASSERT(!slab(OTHERS, 0, priority));
	CU_ASSERT(!record(ATTRIBUTE_END, OTHERS, -1, -1));
	CU_ASSERT(!slab(OTHERS, 0, 5)); /* begin not seen, not ours */
	/* ours at the same time is ours */
	CU_ASSERT(!record(ATTRIBUTE_MEMCG_BEGIN, OTHERS, -1, -1));
	CU_ASSERT(record(ATTRIBUTE_MEMCG_BEGIN, OURS, -1, -1));
	CU_ASSERT(!slab(OTHERS, 0, 3));
	CU_ASSERT(slab(OURS, 0, 7));
	assert_event(FOLLOW_RECLAIM, OUR_GROUP, 0, 7);
}

/* Of a process that has just come it is not known: its slices wait, at their hardest. */
static void test_deferred(void)
{
	begin();
	of_new = MEMBERS_UNKNOWN;
	CU_ASSERT(!record(ATTRIBUTE_MEMCG_BEGIN, NEW, -1, -1));
	CU_ASSERT(!slab(NEW, 0, 12));
	CU_ASSERT(!slab(NEW, 0, 4));
	CU_ASSERT(!slab(NEW, 0, 9));
	CU_ASSERT(!slab(NEW, 1, 11));
	CU_ASSERT(!shrink_attribute_deferred(&a, now, &event));
	of_new = MEMBERS_YES;
	for (int i = 0; i < 2; i++) {
		CU_ASSERT(shrink_attribute_deferred(&a, now, &event));
		ASSERT_INT(event.group, OUR_GROUP);
		ASSERT_INT(event.priority, event.nid ? 11 : 4);
	}
	CU_ASSERT(!shrink_attribute_deferred(&a, now, &event));
	CU_ASSERT(slab(NEW, 0, 3));
	/* found to be a stranger; or never found to be anybody */
	of_new = MEMBERS_UNKNOWN;
	CU_ASSERT(!slab(NEW, 0, 2));
	of_new = MEMBERS_NO;
	CU_ASSERT(!shrink_attribute_deferred(&a, now, &event));
	of_new = MEMBERS_UNKNOWN;
	CU_ASSERT(!slab(NEW, 0, 2));
	CU_ASSERT(!shrink_attribute_deferred(&a, now + 2000 * MSEC, &event));
	of_new = MEMBERS_YES;
	CU_ASSERT(!shrink_attribute_deferred(&a, now + 2000 * MSEC, &event));
	/* more of them than places: bounded */
	of_new = MEMBERS_UNKNOWN;
	for (int nid = 0; nid < 10 * ATTRIBUTE_DEFERRED; nid++)
		CU_ASSERT(!slab(NEW, nid, 5));
	of_new = MEMBERS_YES;
	for (int i = 0; i < ATTRIBUTE_DEFERRED; i++)
		CU_ASSERT(shrink_attribute_deferred(&a, now, &event));
	CU_ASSERT(!shrink_attribute_deferred(&a, now, &event));
}

/* The machine is short: whoever reclaims it, it is us too. */
static void test_machine(void)
{
	begin();
	CU_ASSERT(!record(ATTRIBUTE_ALL_BEGIN, OTHERS, -1, -1));
	CU_ASSERT(slab(OTHERS, 0, 11));
	assert_event(FOLLOW_RECLAIM, 1, 0, 11);
	CU_ASSERT(record(ATTRIBUTE_KSWAPD_WAKE, KSWAPD, 1, -1));
	assert_event(FOLLOW_HINT, 1, 1, -1);
	CU_ASSERT(slab(KSWAPD, 1, 0));
	assert_event(FOLLOW_RECLAIM, 1, 1, 0);
	CU_ASSERT(!record(ATTRIBUTE_END, KSWAPD, -1, -1));
	CU_ASSERT(slab(KSWAPD, 1, 0)); /* asleep, it can only have dropped */
	assert_event(FOLLOW_DROP, 1, 1, 0);
}

static void test_drop(void)
{
	begin();
	CU_ASSERT(slab(OTHERS, 0, 0));
	assert_event(FOLLOW_DROP, 1, 0, 0);
	/* with the begin lost, a stranger's own reclaim looks the same: not believed */
	CU_ASSERT(!record(ATTRIBUTE_MEMCG_BEGIN, OTHERS, -1, -1));
	CU_ASSERT(!record(ATTRIBUTE_LOST, 0, -1, -1));
	CU_ASSERT(!slab(OTHERS, 0, 0));
	now += 2000 * MSEC;
	CU_ASSERT(slab(OTHERS, 0, 0));
	assert_event(FOLLOW_DROP, 1, 0, 0);
}

/* In one millisecond only what is harder than before; per node, and how many were not. */
static void test_folding(void)
{
	struct attribute_record r = {.kind = ATTRIBUTE_MEMCG_BEGIN, .pid = OURS, .tid = OURS};

	begin();
	r.nsec = now;
	CU_ASSERT(shrink_attribute(&a, &r, &event));
	r.kind = ATTRIBUTE_SLAB;
	r.priority = 9;
	CU_ASSERT(shrink_attribute(&a, &r, &event));
	for (int i = 0; i < 5; i++)
		CU_ASSERT(!shrink_attribute(&a, &r, &event));
	r.nid = 1;
	CU_ASSERT(shrink_attribute(&a, &r, &event));
	ASSERT_INT(event.folded, 0);
	r.nid = 0;
	r.priority = 8;
	CU_ASSERT(shrink_attribute(&a, &r, &event));
	ASSERT_INT(event.folded, 5);
	r.nsec += MSEC;
	r.priority = 12;
	CU_ASSERT(shrink_attribute(&a, &r, &event));
	ASSERT_INT(event.priority, 12);
	/* a node beyond the table is told, if not kept apart from others */
	r.nid = 4000;
	CU_ASSERT(shrink_attribute(&a, &r, &event));
	ASSERT_INT(event.nid, 4000);
}

static void write_list(const char *dir, const char *pids)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "we");
	CU_ASSERT_FATAL(f != NULL && fputs(pids, f) >= 0 && !fclose(f));
}

/* A table is made when somebody is missed, and who is missed in that one too is a
 * stranger for a second. */
static void test_members(void)
{
	char dir[] = "/tmp/libshrink-members-XXXXXX", path[128];
	struct members *m;

	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	CU_ASSERT(!shrink_members_open(dir));
	write_list(dir, "7\n8192\n16384\n");
	m = shrink_members_open(dir);
	CU_ASSERT_FATAL(m != NULL);
	ASSERT_INT(shrink_members_ask(m, 7, now), MEMBERS_YES);
	ASSERT_INT(shrink_members_ask(m, 16384, now), MEMBERS_YES);
	CU_ASSERT(!shrink_members_wanted(m));
	ASSERT_INT(shrink_members_ask(m, 9, now), MEMBERS_UNKNOWN);
	CU_ASSERT(shrink_members_wanted(m));
	write_list(dir, "7\n9\n");
	ASSERT_INT(shrink_members_make(m), 0);
	CU_ASSERT(!shrink_members_wanted(m));
	ASSERT_INT(shrink_members_ask(m, 9, now), MEMBERS_YES);
	ASSERT_INT(shrink_members_ask(m, 10, now), MEMBERS_UNKNOWN);
	ASSERT_INT(shrink_members_make(m), 0);
	ASSERT_INT(shrink_members_ask(m, 10, now), MEMBERS_NO);
	CU_ASSERT(!shrink_members_wanted(m));
	ASSERT_INT(shrink_members_ask(m, 10, now + 1001 * MSEC), MEMBERS_UNKNOWN);
	CU_ASSERT(shrink_members_wanted(m));
	/* it cannot be read: the old one stays, and a new one stays wanted */
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	unlink(path);
	CU_ASSERT(shrink_members_make(m) < 0);
	ASSERT_INT(shrink_members_ask(m, 9, now), MEMBERS_YES);
	CU_ASSERT(shrink_members_wanted(m));
	write_list(dir, "9\n");
	ASSERT_INT(shrink_members_make(m), 0);
	ASSERT_INT(shrink_members_ask(m, 9, now), MEMBERS_YES);
	/* and as a whole after a while: who has left is no longer one of us */
	ASSERT_INT(shrink_members_ask(m, 9, now + 9000 * MSEC), MEMBERS_YES);
	CU_ASSERT(!shrink_members_wanted(m));
	ASSERT_INT(shrink_members_ask(m, 9, now + 11000 * MSEC), MEMBERS_YES);
	CU_ASSERT(shrink_members_wanted(m));
	shrink_members_close(m);
	unlink(path);
	rmdir(dir);
}

/* Where this process may have memory: what /proc says. */
static void test_nodes(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	int first = -1, last = -1, nr = 0;
	char line[4096], list[4096] = "";

	CU_ASSERT_FATAL(f != NULL);
	while (fgets(line, sizeof(line), f))
		(void)sscanf(line, "Mems_allowed_list: %4095s", list);
	fclose(f);
	if (sscanf(list, "%d-%d%n", &first, &last, &nr) != 2 &&
	    sscanf(list, "%d%n", &first, &nr) == 1)
		last = first;
	if (first < 0 || list[nr])
		SKIP("nodes: %s", list);
	for (int nid = 0; nid < 300; nid++)
		ASSERT_INT(shrink_os_numa_allowed(nid), nid >= first && nid <= last);
	/* what cannot be asked is allowed */
	ASSERT_INT(shrink_os_numa_allowed(-1), 1);
	ASSERT_INT(shrink_os_numa_allowed(1 << 20), 1);
}

#define PAGE  4096u
#define BYTES 4096u

static _Alignas(4096) char memory[PAGE + BYTES];

static struct perf_event_mmap_page *control(void)
{
	return (void *)memory;
}

/* As the kernel does, byte by byte around the end. */
static void write_bytes(const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		memory[PAGE + (control()->data_head + i) % BYTES] = ((const char *)bytes)[i];
	control()->data_head += size;
}

struct sample {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t nsec;
	uint32_t size, fields[7];
};

struct loss {
	struct perf_event_header header;
	uint64_t id, lost;
	uint32_t pid, tid;
	uint64_t nsec;
};

static void write_sample(uint32_t i)
{
	struct sample s = {
		.header = {.type = PERF_RECORD_SAMPLE, .size = sizeof(s)},
		.pid = i,
		.tid = i + 1,
		.nsec = i * MSEC,
		.size = sizeof(s.fields),
		.fields = {i, i, i, i, i, i, i},
	};

	write_bytes(&s, sizeof(s));
}

static void open_ring(struct perf_ring *ring)
{
	memset(memory, 0, sizeof(memory));
	shrink_perf_ring_init(ring, memory, PAGE, BYTES);
}

static void test_ring(void)
{
	struct perf_record got;
	struct perf_ring ring;
	struct loss loss = {
		.header = {.type = PERF_RECORD_LOST, .size = sizeof(loss)}, .lost = 3, .nsec = 42};

	open_ring(&ring);
	shrink_perf_ring_snapshot(&ring);
	ASSERT_INT(shrink_perf_ring_peek(&ring, &got), 0);
	for (uint32_t i = 0; i < 10000; i++) {
		write_sample(i);
		ASSERT_INT(shrink_perf_ring_peek(&ring, &got), 0); /* not in the snapshot */
		shrink_perf_ring_snapshot(&ring);
		ASSERT_INT(shrink_perf_ring_peek(&ring, &got), 1);
		ASSERT_INT(got.pid, i);
		ASSERT_INT(got.tid, i + 1);
		ASSERT_INT(got.nsec, i * MSEC);
		ASSERT_INT(got.size, 28);
		CU_ASSERT_FATAL(got.fields != NULL);
		CU_ASSERT(!memcmp(got.fields, &i, 4) && !memcmp(got.fields + 24, &i, 4));
		shrink_perf_ring_skip(&ring, &got);
		shrink_perf_ring_release(&ring);
		ASSERT_INT(control()->data_tail, control()->data_head);
	}
	write_bytes(&loss, sizeof(loss));
	shrink_perf_ring_snapshot(&ring);
	ASSERT_INT(shrink_perf_ring_peek(&ring, &got), 1);
	CU_ASSERT(!got.fields);
	ASSERT_INT(got.lost, 3);
	ASSERT_INT(got.nsec, 42);
}

/* Whatever lies there, it is read from inside the ring and the reading ends. */
static void test_nonsense(void)
{
	static const uint16_t sizes[] = {0, 7, 8, 9, 23, 24, 31, 32, 511, 512, 513, 4096, 65535};
	struct random random = random_new();
	struct perf_record got;
	struct perf_ring ring;

	for (int turn = 0; turn < 20000; turn++) {
		struct perf_event_header header;
		int records = 0;

		open_ring(&ring);
		for (size_t i = 0; i < BYTES; i++)
			memory[PAGE + i] = (char)random_next(&random);
		header = (struct perf_event_header){
			.type = turn % 3 ? PERF_RECORD_SAMPLE : PERF_RECORD_LOST,
			.size = sizes[random_below(&random, sizeof(sizes) / sizeof(*sizes))]};
		memcpy(memory + PAGE, &header, sizeof(header));
		control()->data_head = random_below(&random, 2 * BYTES);
		shrink_perf_ring_snapshot(&ring);
		while (shrink_perf_ring_peek(&ring, &got) && ++records < 10000) {
			CU_ASSERT(!got.fields || got.size <= sizeof(got.copy) - 28);
			shrink_perf_ring_skip(&ring, &got);
		}
		CU_ASSERT(records <= (int)(BYTES / 8));
		ASSERT_INT(ring.tail, ring.head);
		if (CU_get_number_of_failures())
			return;
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"attribute: our own group", test_own},
		{"G7: attribute: a group beside ours", test_others},
		{"attribute: who has just come", test_deferred},
		{"attribute: who is of our group", test_members},
		{"attribute: the machine", test_machine},
		{"attribute: nodes of ours", test_nodes},
		{"attribute: drop_caches", test_drop},
		{"attribute: folded", test_folding},
		{"perf ring: as the kernel writes it", test_ring},
		{"perf ring: as no kernel would", test_nonsense},
		{NULL, NULL},
	};

	return test_main(argc, argv, "attribute", tests);
}
