/* SPDX-License-Identifier: MIT */
/* The stats command and its sub-commands. */
#ifndef KVCACHED_STATS_H
#define KVCACHED_STATS_H

#include <event2/buffer.h>

#include "examples/kvcached/proto.h"

/* Answers "stats @what": "" = general, settings, items, slabs, reset, shrink, tenants. */
void stats_answer(struct evbuffer *out, struct span what);

/* One line: STAT <name> <value>. */
void stats_line(struct evbuffer *out, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What libshrink knows: level, limits, engine, both caches, sources, the last
 * round. In stats_shrink.c. */
void stats_shrink(struct evbuffer *out);

/* Each tenant's memory, limits, hits and events, and those of all together; or one
 * tenant's. In stats_tenants.c. */
void stats_tenants(struct evbuffer *out);
struct tenant;
void stats_tenant(struct evbuffer *out, struct tenant *t);

#endif /* KVCACHED_STATS_H */
