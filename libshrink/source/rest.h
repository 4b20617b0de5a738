/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Whose limit makes our group stall? Two things make its tasks wait for memory: the machine
 * is short of it, or a group is - ours, or one above it, whose limit a namespace may hide.
 * The machine's gauges know of the former only. It is the latter for certain where
 *
 *	- the machine as a whole reclaims nothing at all: no direct reclaim, and kswapd
 *	  sleeps (/proc/vmstat), for as long as the stall is measured over; and
 *	- the kernel has no page cache left to take in the topmost group we see. Who stalls
 *	  is at the limit, whatever that is, so usage stands for it: page cache has to be
 *	  less than the headroom that we would keep below it (G7).
 *
 * On a busy machine kswapd runs all day, and nothing is certain: then the gauges have
 * their say, and nothing is freed.
 */
#ifndef SHRINK_SOURCE_REST_H
#define SHRINK_SOURCE_REST_H

#include <stdbool.h>
#include <stdint.h>

#include <libshrink/os/cgroup.h>

struct shrink_rest {
	int fd;         /* -1: cannot be had, so it never rests */
	uint64_t seen;  /* what the machine had reclaimed, */
	uint64_t since; /*	and since when it is that; UINT64_MAX = not known */
};

void shrink_rest_open(struct shrink_rest *rest);
void shrink_rest_close(struct shrink_rest *rest);
/* With each sample. */
void shrink_rest_look(struct shrink_rest *rest, uint64_t now);
/* Stall in the last @window nsec was by a limit of @cg's. */
bool shrink_rest_by_limit(const struct shrink_rest *rest, uint64_t now, uint64_t window,
			  const struct shrink_cgroup *cg);

#endif /* SHRINK_SOURCE_REST_H */
