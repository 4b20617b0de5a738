/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A source of pressure: a file that turns a descriptor or a number into a signal,
 * and does nothing else. It never reclaims, locks nothing of the engine's and
 * does not know the other sources. All run on the monitor thread but open(),
 * close() and chore().
 *
 * Life: open() at shrink_prepare(), where it may allocate, read and take its
 * time; then ready() and sample() as they are due, which do none of these; chore()
 * on another thread for what is slow; close() at shrink_stop(). After fork the
 * child's descriptors are closed for it and open() runs anew at its
 * shrink_start(): close() must not touch descriptors whose number it has
 * forgotten, and open() must not trust old ones.
 *
 * A source that fails says so by returning a negative errno from ready() or
 * sample() with src->reason set; it is closed and the next one goes on (G9); after a
 * while it is tried again (renew.h).
 */
#ifndef SHRINK_SOURCE_SOURCE_H
#define SHRINK_SOURCE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include <libshrink/os/cgroup.h>
#include <libshrink/reclaim/gauge.h>

#define SHRINK_SOURCE_FDS 16

/* What a source tells the monitor. Zeroed by the caller. */
struct shrink_signal {
	int recheck;             /* look at the gauges now */
	enum shrink_level stall; /* memory stall of *us*, no byte count; 0 = none */
	int priority;            /* where to start for it: 12 mildest */
	int own;                 /* stall by a limit of our own group or of one above it: what
				  * the machine has left says nothing of it */
	uint64_t lacking;        /* bytes that stall has measured, the group's; 0 = unknown */
	int hint;                /* sample more often for a while; frees nothing */
	uint64_t bytes;          /* wanted by the application */
	int manual;              /* somebody who means it says so: no doubt */
	const char *source;      /* whose stall it is; the monitor sets it */
};

struct shrink_source;

struct shrink_source_ops {
	const char *name; /* at most 15 characters; also its tunable */
	/* 0: live. -ENOENT, -EOPNOTSUPP...: unsupported here, reason set;
	 * -ECANCELED: switched off by configuration. */
	int (*open)(struct shrink_source *src);
	void (*close)(struct shrink_source *src);
	/* src->fd[index] is ready; must make it unready. */
	int (*ready)(struct shrink_source *src, int index, uint32_t epoll_events, uint64_t now,
		     struct shrink_signal *sig);
	/* src->next_sample has come; sets the next. */
	int (*sample)(struct shrink_source *src, uint64_t now, struct shrink_signal *sig);
	/* Slow work asked for by setting src->chore_due; off the monitor thread. */
	int (*chore)(struct shrink_source *src);
	/* It measures stall, which a service manager may forbid. */
	int measures_stall;
	/* It watches files of the own group: opened anew when that is another. */
	int watches_group;
	/* Instead, where others read its gauge without pause: src->cgroup is another now,
	 * the one before stays open for a grace period. 0, or a negative errno. */
	int (*moved)(struct shrink_source *src);
	/* While that one is live, this one's stall is a hint and its gauge says nothing;
	 * must come before it in the ladder. NULL = nobody. */
	const struct shrink_source_ops *yields_to;
};

enum shrink_source_state {
	SHRINK_SOURCE_OFF,         /* by configuration, or never opened */
	SHRINK_SOURCE_LIVE,
	SHRINK_SOURCE_UNSUPPORTED,
	SHRINK_SOURCE_FAILED,
	SHRINK_SOURCE_OPENING      /* anew: not the monitor's just now (renew.h) */
};

struct shrink_source {
	const struct shrink_source_ops *ops;
	const struct shrink_cgroup *cgroup; /* the monitor's; set before open() */
	enum shrink_source_state state;
	char reason[160];
	int muted;                          /* set before open(): whom it yields to is live;
					     * cleared when that has failed */
	uint64_t events;                    /* times it signalled; the monitor counts */
	int nr_fds;
	int fd[SHRINK_SOURCE_FDS];
	uint32_t epoll[SHRINK_SOURCE_FDS];  /* events to wait for, EPOLLIN where 0 */
	uint64_t next_sample;               /* clock; UINT64_MAX = never */
	int chore_due;                      /* set on the monitor, cleared after chore(),
					     * when next_sample becomes 0 */
	int fds_changed;                    /* set by ready() and sample(): nr_fds or fd[] are
					     * others now; the monitor adds them to its epoll
					     * (-EEXIST is fine) and clears it. chore() leaves
					     * them alone */
	struct shrink_gauge *gauge;         /* what it measures, or NULL */
	int opened;                         /* close() is due */
	enum shrink_source_state was;       /* before it was to be opened anew, */
	int renewed;                        /*	and what came of that */
	unsigned int retries;               /* for nothing, in a row, */
	uint64_t retry_at;                  /*	and when is the next; 0 = not set */
	void *priv;                         /* static storage of the source's file */
};

/* Why, in words; printf into src->reason; returns @err. */
int shrink_source_fail(struct shrink_source *src, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Around states and reasons, where they are read by another thread. */
void shrink_source_lock(void);
void shrink_source_unlock(void);

extern const struct shrink_source_ops shrink_source_vmpressure;   /* vmpressure.c: v1 */
extern const struct shrink_source_ops shrink_source_oom;          /* oom.c: v1 */
extern const struct shrink_source_ops shrink_source_swap;         /* swap.c: gauge on v1 */
extern const struct shrink_source_ops shrink_source_zones;        /* zones.c: gauge */
extern const struct shrink_source_ops shrink_source_usage;        /* usage.c: the gauge, sampled */
extern const struct shrink_source_ops shrink_source_thresholds;   /* thresholds.c: v1 eventfds */
extern const struct shrink_source_ops shrink_source_events;       /* events.c: v2 memory.events */
extern const struct shrink_source_ops shrink_source_bridge;       /* bridge.c: the kernel itself */
extern const struct shrink_source_ops shrink_source_systemd;      /* systemd.c: its protocol */
extern const struct shrink_source_ops shrink_source_psi;          /* psi.c: own group */
extern const struct shrink_source_ops shrink_source_memavailable; /* memavailable.c: gauge */
extern const struct shrink_source_ops shrink_source_rss;          /* rss.c: gauge, own budget */
extern const struct shrink_source_ops shrink_source_manual;       /* manual.c: shrink_pressure() */
extern const struct shrink_source_ops shrink_source_simulated;    /* simulated.c: gauge and stall */

#endif /* SHRINK_SOURCE_SOURCE_H */
