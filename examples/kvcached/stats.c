/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/items.h"
#include "examples/kvcached/listener.h"
#include "examples/kvcached/negative.h"
#include "examples/kvcached/options.h"
#include "examples/kvcached/store.h"
#include "examples/kvcached/totals.h"
#include "examples/kvcached/worker.h"

typedef unsigned long long ull;

void stats_line(struct evbuffer *out, const char *name, const char *fmt, ...)
{
	va_list ap;

	evbuffer_add_printf(out, "STAT %s ", name);
	va_start(ap, fmt);
	evbuffer_add_vprintf(out, fmt, ap);
	va_end(ap);
	evbuffer_add(out, "\r\n", 2);
}

static void process_lines(struct evbuffer *out)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	stats_line(out, "pid", "%ld", (long)getpid());
	stats_line(out, "uptime", "%u", clock_uptime());
	stats_line(out, "time", "%ld", (long)time(NULL));
	stats_line(out, "version", "%s", KVCACHED_VERSION);
	stats_line(out, "libevent", "%s", event_get_version());
	stats_line(out, "pointer_size", "%d", (int)(8 * sizeof(void *)));
	stats_line(out, "rusage_user", "%ld.%06ld", (long)usage.ru_utime.tv_sec,
		   (long)usage.ru_utime.tv_usec);
	stats_line(out, "rusage_system", "%ld.%06ld", (long)usage.ru_stime.tv_sec,
		   (long)usage.ru_stime.tv_usec);
}

static void thread_lines(struct evbuffer *out)
{
	struct thread_stats sum;

	workers_sum(&sum);
#define X(name) stats_line(out, #name, "%llu", (ull)sum.name);
	THREAD_STATS(X)
#undef X
}

static void item_lines(struct evbuffer *out)
{
	struct items_totals totals;
	struct room_totals room;

	items_totals(NULL, &totals);
	room_totals(&room);
	stats_line(out, "limit_maxbytes", "%llu", (ull)options_get()->ceiling);
	stats_line(out, "threads", "%u", options_get()->threads);
	stats_line(out, "hash_bytes", "%llu", (ull)(totals.buckets * sizeof(void *)));
	stats_line(out, "bytes", "%llu", (ull)totals.bytes);
	stats_line(out, "curr_items", "%llu", (ull)totals.count);
	stats_line(out, "total_items", "%llu", (ull)items_linked());
	stats_line(out, "evictions", "%llu", (ull)(room.evicted + room.replaced));
	stats_line(out, "reclaimed", "%llu", (ull)items_expired());
	stats_line(out, "evicted_by_reclaim", "%llu", (ull)room.evicted);
	stats_line(out, "evicted_for_another", "%llu", (ull)room.replaced);
	stats_line(out, "negative_entries", "%zu", negative_count());
}

static void general(struct evbuffer *out)
{
	uint64_t current, total;

	process_lines(out);
	workers_connections(&current, &total);
	stats_line(out, "curr_connections", "%llu", (ull)current);
	stats_line(out, "total_connections", "%llu", (ull)total);
	thread_lines(out);
	item_lines(out);
}

static void settings(struct evbuffer *out)
{
	const struct options *o = options_get();

	stats_line(out, "maxbytes", "%llu", (ull)o->ceiling);
	stats_line(out, "tcpport", "%u", listener_port());
	stats_line(out, "udpport", "0");
	stats_line(out, "inter", "%s", o->address);
	stats_line(out, "verbosity", "%u", options_verbosity());
	stats_line(out, "evictions", "on");
	stats_line(out, "num_threads", "%u", o->threads);
	stats_line(out, "cas_enabled", "yes");
	stats_line(out, "binding_protocol", "ascii");
	stats_line(out, "item_size_max", "%d", VALUE_MAX);
	stats_line(out, "flush_enabled", "yes");
	stats_line(out, "allocator", "%s", store()->name);
	stats_line(out, "policy", "%s", o->lruvec ? "lruvec" : "clock");
	stats_line(out, "tenants", "%s", o->tenants ? "on" : "off");
}

/* memcached numbers its classes from 1. */
static void class_line(struct evbuffer *out, const char *prefix, unsigned int cls,
		       const char *name, uint64_t value)
{
	char full[64];

	snprintf(full, sizeof(full), "%s%u:%s", prefix, cls + 1, name);
	stats_line(out, full, "%llu", (ull)value);
}

/* Only pools have classes. */
static void items(struct evbuffer *out)
{
	struct shrink_pool_class_stats st;

	for (unsigned int cls = 0; class_totals(cls, &st); cls++) {
		if (st.live_objects)
			class_line(out, "items:", cls, "number", st.live_objects);
	}
}

/* Large objects have whole pages of their own: the mean is said. */
static uint64_t chunk_size(const struct shrink_pool_class_stats *st)
{
	return st->object_size || !st->live_objects ? st->object_size
						    : st->live_bytes / st->live_objects;
}

static void slabs(struct evbuffer *out)
{
	struct shrink_pool_class_stats st;
	struct shrink_pool_stats pool;

	for (unsigned int cls = 0; class_totals(cls, &st); cls++) {
		if (!st.slabs)
			continue;
		class_line(out, "", cls, "chunk_size", chunk_size(&st));
		class_line(out, "", cls, "used_chunks", st.live_objects);
		class_line(out, "", cls, "total_bytes", st.resident_bytes);
	}
	pool_totals(&pool);
	stats_line(out, "active_slabs", "%llu", (ull)pool.slabs);
	stats_line(out, "total_malloced", "%llu", (ull)pool.resident_bytes);
}

static const struct {
	const char *name;
	void (*write)(struct evbuffer *out);
} reports[] = {
	{"", general}, {"settings", settings}, {"items", items},
	{"slabs", slabs}, {"shrink", stats_shrink}, {"tenants", stats_tenants},
};

void stats_answer(struct evbuffer *out, struct span what)
{
	char name[16] = "";

	if (what.len < sizeof(name))
		memcpy(name, what.at, what.len);
	if (strcmp(name, "reset") == 0) {
		workers_reset();
		evbuffer_add(out, "RESET\r\n", 7);
		return;
	}
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		if (what.len == strlen(reports[i].name) && strcmp(name, reports[i].name) == 0) {
			reports[i].write(out);
			evbuffer_add(out, "END\r\n", 5);
			return;
		}
	}
	evbuffer_add(out, "ERROR\r\n", 7);
}
