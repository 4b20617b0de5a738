// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <libshrink/base/bits.h>
#include <libshrink/bridge/attribute.h>
#include <libshrink/bridge/members.h>
#include <libshrink/bridge/perf-ring.h>
#include <libshrink/bridge/perf.h>
#include <libshrink/bridge/trace-format.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/perf.h>
#include <libshrink/os/tracefs.h>

#define RING_BYTES   (64 * 1024)
#define FORMAT_BYTES 4096
/* Looks at the rings in one turn: what comes meanwhile is not left to the next wake-up,
 * which may not come, and the monitor is not held for ever. */
#define LOOKS_MAX    8

static const struct point_name {
	const char *name;
	enum attribute_kind kind;
} names[] = {
	{"mm_shrink_slab_start", ATTRIBUTE_SLAB}, /* the one that is not done without */
	{"mm_vmscan_memcg_reclaim_begin", ATTRIBUTE_MEMCG_BEGIN},
	{"mm_vmscan_memcg_reclaim_end", ATTRIBUTE_END},
	{"mm_vmscan_direct_reclaim_begin", ATTRIBUTE_ALL_BEGIN},
	{"mm_vmscan_direct_reclaim_end", ATTRIBUTE_END},
	{"mm_vmscan_node_reclaim_begin", ATTRIBUTE_ALL_BEGIN},
	{"mm_vmscan_node_reclaim_end", ATTRIBUTE_END},
	{"mm_vmscan_kswapd_wake", ATTRIBUTE_KSWAPD_WAKE},
	{"mm_vmscan_kswapd_sleep", ATTRIBUTE_END},
};
#define POINTS SHRINK_ARRAY_SIZE(names)

struct point {
	uint64_t id; /* 0: this kernel has it not */
	struct shrink_trace_field type, nid, priority; /* size 0: it has none */
};

struct cpu {
	struct perf_ring ring;
	struct perf_record record; /* the next */
	bool has;
	int fd[POINTS];
};

/* One monitor, one bridge. */
static struct {
	struct cpu *cpus;
	int nr_cpus;
	int epoll;
	struct point points[POINTS];
	struct attribute attribute;
	struct members *members;
	uint64_t now; /* of the look */
	char lacking[96];
} perf = {.epoll = -1};

static int fail(char *reason, size_t size, int err, const char *what)
{
	snprintf(reason, size, "%s: %s", what, strerror(-err));
	return err;
}

static enum members_answer is_ours(void *arg, uint32_t pid)
{
	(void)arg;
	return shrink_members_ask(perf.members, pid, perf.now);
}

/* What of a tracepoint's fields is wanted. */
static int read_format(const char *text, struct point *p, enum attribute_kind kind)
{
	int r = shrink_trace_id(text, &p->id);

	if (!r)
		r = shrink_trace_find(text, "common_type", &p->type);
	if (!r && (kind == ATTRIBUTE_SLAB || kind == ATTRIBUTE_KSWAPD_WAKE))
		r = shrink_trace_find(text, "nid", &p->nid);
	if (!r && kind == ATTRIBUTE_SLAB)
		r = shrink_trace_find(text, "priority", &p->priority);
	return r;
}

static void lack(const char *name)
{
	size_t used = strlen(perf.lacking);

	snprintf(perf.lacking + used, sizeof(perf.lacking) - used, "%s%s", used ? " " : "", name);
}

static int read_formats(char *reason, size_t size)
{
	int tracefs = shrink_os_tracefs_open(), r = 0;
	char path[96], text[FORMAT_BYTES];

	if (tracefs < 0)
		return fail(reason, size, tracefs, "no tracefs");
	for (size_t i = 0; i < POINTS; i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "events/vmscan/%s/format", names[i].name);
		n = shrink_os_tracefs_read(tracefs, path, text, sizeof(text));
		r = n < 0 ? (int)n : read_format(text, &perf.points[i], names[i].kind);
		if (r < 0) {
			perf.points[i].id = 0;
			lack(names[i].name);
		}
	}
	shrink_os_close(tracefs);
	if (!perf.points[0].id)
		return fail(reason, size, -ENOTSUP, "no mm_shrink_slab_start with a priority");
	return 0;
}

/* The first of a processor gets the ring; the others join it. */
static int open_point(struct cpu *cpu, int number, size_t i)
{
	int r = shrink_os_perf_open(perf.points[i].id, number);
	void *map;

	if (r < 0)
		return r;
	cpu->fd[i] = r;
	if (i)
		return shrink_os_perf_join(r, cpu->fd[0]);
	map = shrink_os_perf_map(r, RING_BYTES);
	if (!map)
		return -errno;
	shrink_perf_ring_init(&cpu->ring, map, shrink_os_page_size(), RING_BYTES);
	return shrink_os_epoll_add(perf.epoll, r, EPOLLIN, 0);
}

static void close_cpu(struct cpu *cpu)
{
	shrink_os_perf_unmap(cpu->ring.map, RING_BYTES);
	for (size_t i = 0; i < POINTS; i++)
		shrink_os_close(cpu->fd[i]);
}

/* 0, also for a processor that is off; it has no ring then. */
static int open_cpu(struct cpu *cpu, int number)
{
	int r = 0;

	memset(cpu->fd, -1, sizeof(cpu->fd));
	for (size_t i = 0; i < POINTS && !r; i++)
		if (perf.points[i].id)
			r = open_point(cpu, number, i);
	return r == -ENODEV && cpu->fd[0] < 0 ? 0 : r;
}

static int enable(void)
{
	int r = 0;

	for (int i = 0; i < perf.nr_cpus; i++)
		for (size_t p = POINTS; p-- > 0 && !r;) /* the slices last: begins come before */
			if (perf.cpus[i].fd[p] >= 0)
				r = shrink_os_perf_enable(perf.cpus[i].fd[p]);
	return r;
}

static int open_all(char *reason, size_t size)
{
	int r = shrink_os_epoll(), nr = shrink_os_cpus();

	if (r < 0)
		return fail(reason, size, r, "epoll");
	perf.epoll = r;
	perf.cpus = shrink_os_alloc((size_t)nr * sizeof(*perf.cpus));
	if (!perf.cpus)
		return fail(reason, size, -ENOMEM, "rings");
	for (int i = 0; i < nr; i++) {
		perf.nr_cpus = i + 1;
		r = open_cpu(&perf.cpus[i], i);
		if (r < 0)
			return fail(reason, size, r, "perf_event_open");
	}
	r = enable();
	return r < 0 ? fail(reason, size, r, "cannot be enabled") : 0;
}

int shrink_perf_moved(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	struct members *members = who->procs ? shrink_members_open(who->procs) : NULL;

	if (!members)
		return fail(reason, size, -ENOENT, "the own group's processes cannot be listed");
	shrink_members_close(perf.members);
	perf.members = members;
	perf.attribute.group = who->nr > 1 ? who->groups[1] : who->groups[0];
	return 0;
}

int shrink_perf_open(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	int r;

	memset(&perf, 0, sizeof(perf));
	perf.epoll = -1;
	perf.attribute.ours = is_ours;
	r = read_formats(reason, size);
	if (!r)
		r = shrink_perf_moved(who, reason, size);
	if (r < 0)
		return r;
	r = open_all(reason, size);
	if (r < 0)
		shrink_perf_close();
	else if (*perf.lacking)
		snprintf(reason, size, "this kernel lacks %s", perf.lacking);
	return r;
}

void shrink_perf_close(void)
{
	for (int i = 0; i < perf.nr_cpus; i++)
		close_cpu(&perf.cpus[i]);
	perf.nr_cpus = 0;
	shrink_os_free(perf.cpus);
	perf.cpus = NULL;
	shrink_members_close(perf.members);
	perf.members = NULL;
	shrink_os_close(perf.epoll);
	perf.epoll = -1;
}

int shrink_perf_fd(void)
{
	return perf.epoll;
}

static int value_of(const struct shrink_trace_field *field, const struct perf_record *record)
{
	int64_t value;

	if (!field->size || shrink_trace_value(field, record->fields, record->size, &value) < 0)
		return -1;
	return (int)value;
}

/* Which tracepoint it is: its own number is in it, where each kernel has it. */
static bool translate(const struct perf_record *record, struct attribute_record *out)
{
	*out = (struct attribute_record){.nsec = record->nsec, .pid = record->pid,
					 .tid = record->tid, .kind = ATTRIBUTE_LOST,
					 .lost = record->lost};
	if (!record->fields)
		return record->lost > 0;
	for (size_t i = 0; i < POINTS; i++) {
		const struct point *p = &perf.points[i];

		if (!p->id || value_of(&p->type, record) != (int)p->id)
			continue;
		out->kind = names[i].kind;
		out->nid = value_of(&p->nid, record);
		out->priority = value_of(&p->priority, record);
		return out->kind != ATTRIBUTE_SLAB || out->priority >= 0;
	}
	return false;
}

static void next_of(struct cpu *cpu)
{
	cpu->has = cpu->ring.map && shrink_perf_ring_peek(&cpu->ring, &cpu->record);
}

static struct cpu *earliest(void)
{
	struct cpu *first = NULL;

	for (int i = 0; i < perf.nr_cpus; i++)
		if (perf.cpus[i].has &&
		    (!first || perf.cpus[i].record.nsec < first->record.nsec))
			first = &perf.cpus[i];
	return first;
}

/*
 * What was written until now, in the order of time. A record of before @now may have been
 * preceded, elsewhere, only by records that were in their rings before it was written, and
 * so before the snapshots below; one of after @now is left until the next look.
 * Returns whether any is left.
 */
static bool look(shrink_bridge_fn fn, void *arg, int *nr)
{
	struct attribute_record record;
	struct follow_event event;
	struct cpu *cpu;

	perf.now = shrink_os_clock_real();
	for (int i = 0; i < perf.nr_cpus; i++) {
		if (perf.cpus[i].ring.map)
			shrink_perf_ring_snapshot(&perf.cpus[i].ring);
		next_of(&perf.cpus[i]);
	}
	while ((cpu = earliest()) && cpu->record.nsec <= perf.now) {
		if (translate(&cpu->record, &record) &&
		    shrink_attribute(&perf.attribute, &record, &event)) {
			fn(arg, &event);
			++*nr;
		}
		shrink_perf_ring_skip(&cpu->ring, &cpu->record);
		next_of(cpu);
	}
	for (int i = 0; i < perf.nr_cpus; i++)
		if (perf.cpus[i].ring.map)
			shrink_perf_ring_release(&perf.cpus[i].ring);
	return cpu != NULL;
}

int shrink_perf_take(shrink_bridge_fn fn, void *arg)
{
	struct follow_event event;
	int nr = 0;

	perf.now = shrink_os_clock_real();
	for (; shrink_attribute_deferred(&perf.attribute, perf.now, &event); nr++)
		fn(arg, &event);

	for (int i = 0; i < LOOKS_MAX && look(fn, arg, &nr); i++)
		;
	return nr;
}

bool shrink_perf_due(void)
{
	return shrink_members_wanted(perf.members);
}

/* The old list stays where there is no newer one. */
int shrink_perf_chore(void)
{
	(void)shrink_members_make(perf.members);
	return 0;
}
