/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * All sources, strongest first: opened, given up when they fail, listed. On the
 * monitor's side of things; what another thread reads - states and reasons - is
 * behind shrink_source_lock().
 */
#ifndef SHRINK_SOURCE_SOURCES_H
#define SHRINK_SOURCE_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include <shrink/stats.h>
#include <libshrink/source/source.h>

/* How many there are; places 0 .. n-1. */
size_t shrink_sources_nr(void);
struct shrink_source *shrink_sources_at(size_t place);

/* Finds our group and opens all; what they wait for goes into @epoll with the data
 * place << 8 | index. */
void shrink_sources_open(int epoll);
void shrink_sources_close(void);
/* In a forked child: descriptors are closed and their numbers void. */
void shrink_sources_forget(void);

/* After each call of a source that returned @r: new descriptors are waited for, and
 * one that failed is given up: its gauge is left out, and whom it kept quiet takes
 * over (G9). False: it has failed. */
bool shrink_sources_settle(struct shrink_source *src, int r);

/* After the gauges were read: the same for those that could not be, some times in a row.
 * False: some could not, and all should be read again. */
bool shrink_sources_settle_gauges(void);

/* ---- for renew.c; group_open(), reopen() and group_settle() off the monitor */
/* Takes it from the monitor; revive() gives it back: true if it is live. */
void shrink_sources_give_out(struct shrink_source *src);
bool shrink_sources_revive(struct shrink_source *src);
/* Closes and opens. 0 or a negative errno, src->reason set. */
int shrink_sources_reopen(struct shrink_source *src);
/* Finds our group once more, beside the one in use, which settle() closes; or the new
 * one, where that is no good. group(): the one found last. */
int shrink_sources_group_open(void);
void shrink_sources_group_settle(bool good);
struct shrink_cgroup *shrink_sources_group(void);
/* Files of the group have gone since it was asked last: we were moved, perhaps. */
bool shrink_sources_group_lost(void);
/* Some source's chore is due or runs. */
bool shrink_sources_chores(void);

/* Number that are live, the application's own notices not counted. */
int shrink_sources_nr_live(void);
bool shrink_sources_live(const struct shrink_source_ops *ops);

int shrink_sources_list(struct shrink_source_info *ret_infos, unsigned int max, size_t size);

#endif /* SHRINK_SOURCE_SOURCES_H */
