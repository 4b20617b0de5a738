/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What the load does not know by itself: the server's statistics, and the memory
 * group (v1 or v2) it lives in. Never waits longer than a quarter of a second.
 */
#ifndef KVLOAD_WATCH_H
#define KVLOAD_WATCH_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

struct watch_options {
	struct sockaddr_in server;
	const char *group; /* folder of the memory group, or NULL */
	const char *psi;   /* a memory.pressure file, or NULL */
	pid_t rss_of;      /* without a group: usage is this process's RSS; 0 = none */
	int64_t budget;    /* ... and limit is this */
};

struct watch {
	struct watch_options options;
	int fd; /* to the server, -1 = down */
};

/* -1 = unknown, everywhere. */
struct watch_figures {
	int64_t items, bytes;          /* in the cache */
	int64_t freed, returned;       /* bytes, by libshrink, since the server's start */
	int64_t level;                 /* enum shrink_level */
	int64_t usage, limit;          /* of the group, bytes */
	int64_t limit_hits, oom_kills; /* of the group, since its making */
	int64_t psi_some_usec;         /* stall, since the group's making */
};

void watch_init(struct watch *watch, const struct watch_options *options);
void watch_read(struct watch *watch, struct watch_figures *ret_figures);
void watch_close(struct watch *watch);

#endif /* KVLOAD_WATCH_H */
