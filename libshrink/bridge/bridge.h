/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The bridge: what the kernel does to us, told by one of several back ends behind one
 * face. It tells; what follows from it is the business of source/bridge.c.
 *
 * The ladder of bridge:auto is module, bpf, helper, perf; bridge:trace is without the
 * module. Each says in words why it is not the one; another back end is a struct
 * shrink_bridge_ops and a line in bridge.c.
 */
#ifndef SHRINK_BRIDGE_BRIDGE_H
#define SHRINK_BRIDGE_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shrink/bridge.h>
#include <libshrink/bridge/follow.h>

struct shrink_pass;

/* Whom it is about. */
struct shrink_bridge_who {
	const uint64_t *groups; /* kernfs ids: the top, our own, those above it */
	int nr;
	const char *socket; /* of the helper */
	const char *procs; /* folder of our own group, whose processes are ours, or NULL */
};

typedef void (*shrink_bridge_fn)(void *arg, const struct follow_event *event);

struct shrink_bridge_ops {
	const char *name;
	enum shrink_bridge_mode mode;
	/* May allocate and take its time. 0, or a negative errno with a reason; on success
	 * too the reason may say what is lacking. Another's events may not be told. */
	int (*open)(const struct shrink_bridge_who *who, char *reason, size_t size);
	void (*close)(void);
	int (*fd)(void); /* readable when there is something */
	/* Neither blocks nor allocates. How many, or a negative errno. */
	int (*take)(shrink_bridge_fn fn, void *arg);
	/* Where not NULL: our own group is another now; may take its time. 0, or a negative
	 * errno with a reason. */
	int (*moved)(const struct shrink_bridge_who *who, char *reason, size_t size);
	/* Where not NULL: after take(), whether there is slow work to be done by chore(), on
	 * another thread; take() may run beside it, close() may not. */
	bool (*due)(void);
	int (*chore)(void);
	/* Of a back end that has our caches in the kernel; NULL where events are all. What it
	 * takes are requests to caches, not events: */
	int (*changed_fd)(void); /* readable when caches have come, gone or changed */
	/* Tells the kernel of these. May allocate, wait and take its time. 0, or a negative
	 * errno: not all could be told, with the reason. */
	int (*sync)(char *reason, size_t size);
	/* Does what was taken, and has the kernel know how much there is; as a pass, inside
	 * the gate, on a thread that may run callbacks. */
	void (*serve)(struct shrink_pass *pass);
};

extern const struct shrink_bridge_ops shrink_bridge_module; /* module.c */

/* The first that works of those @mode permits. NULL: none, @reason says of each why,
 * *@ret_err is the last one's error. */
const struct shrink_bridge_ops *shrink_bridge_open(enum shrink_bridge_mode mode,
						   const struct shrink_bridge_who *who,
						   char *reason, size_t size, int *ret_err);

#endif /* SHRINK_BRIDGE_BRIDGE_H */
