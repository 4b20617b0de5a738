/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Ageing's insides.
 *
 * The pass goes from group to group. There each list has a hand that goes from its old
 * end to the young one and begins again; lruvec-list.c moves it out of the way of
 * objects that leave. A tick is cut into STEPS steps of the pass, each of which looks at
 * its share of every node's objects.
 *
 * The looking itself is a scan of the age's own shrinker, so that a worker stuck in
 * evict() is noticed, timed and replaced like in any other (G4), and shrinker_free()
 * waits for it.
 *
 * Locks: the list of ages has a lock, held for moments; age->running is under it, and
 * who has set it owns the age's fields marked "runner".
 */
#ifndef SHRINK_LRU_AGE_H
#define SHRINK_LRU_AGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <shrink/age.h>
#include <libshrink/base/list.h>
#include <libshrink/core/core.h>
#include <libshrink/lru/lruvec.h>
#include <libshrink/lru/temperature.h>

#define SHRINK_AGE_STEPS 16

struct shrink_age {
	struct shrink_fast_age fast; /* written by the runner */
	struct shrink_lruvec *lv;
	struct shrinker *shrinker;
	struct shrink_age_options o;
	struct shrink_temperature_rules rules;
	struct shrink_list link;
	bool running, dying;         /* under the lock of ages */
	uint64_t next_step;          /* clock, under the lock of ages */
	/* runner */
	uint64_t base;               /* clock at which the tick began */
	uint64_t freed_tick;         /* in this tick */
	uint64_t objects_tick;       /* when it began; 0 = not counted yet */
	uint64_t max_free;           /* left to the scan that runs */
	uint64_t freed_scan;         /* by it */
	uint64_t toured;             /* objects looked at since the tour began */
	uint64_t tour_size;          /* objects there were then */
	uint64_t seen[4];            /* by temperature, on this tour */
	struct {                     /* where the tour is, at each node */
		unsigned int at;     /* index of the group */
		uint64_t left;       /* objects to be looked at there */
	} tour[SHRINK_NODES_MAX];
	pthread_mutex_t stats_lock;  /* innermost */
	struct shrink_age_stats stats;
};

/* The scan: age-pass.c. */
unsigned long shrink_age_scan(struct shrinker *s, struct shrink_control *sc);
/* What an object new to the lists is: lruvec-list.c asks. */
void shrink_age_added(struct shrink_age *age, struct shrink_lruvec_item *item, bool refaulted);

/* ---- age.c: life */
int shrink_age_arm_fork(void);
void shrink_age_list(struct shrink_age *age);   /* due from now on */
void shrink_age_unlist(struct shrink_age *age); /* waits for who runs it */

/* ---- age.c: for the worker, and simulation */
/* Runs the steps that are due; @stop: asked between scans. Objects freed. */
uint64_t shrink_age_turn(struct shrink_ticker *ticker, bool (*stop)(void));
/* Clock at which the next is due; UINT64_MAX = nothing ages. */
uint64_t shrink_age_next(void);
/* Called, no lock held, when what shrink_age_next() says may have become earlier. */
void shrink_age_on_change(void (*changed)(void));

#endif /* SHRINK_LRU_AGE_H */
