/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The programs of follow.bpf.c, as they are built into the library, loaded. */
#ifndef SHRINK_BRIDGE_FOLLOW_LOAD_H
#define SHRINK_BRIDGE_FOLLOW_LOAD_H

#include <libshrink/bridge/bpf.h>
#include <libshrink/bridge/follow.h>

/* @fn gets each event from shrink_bpf_consume(). @groups_max: how many groups can be
 * followed at once. 0, or a negative errno with a reason as shrink_bpf_open()'s;
 * -EOPNOTSUPP: not built in. On success too the reason may say what is lacking. */
int shrink_follow_load(struct shrink_bpf *bpf, unsigned int groups_max,
		       int (*fn)(void *arg, void *record, size_t size), void *arg, char *reason,
		       size_t size);
/* Follows a group, or no longer. 0, or a negative errno: -E2BIG: no place. */
int shrink_follow_add(struct shrink_bpf *bpf, uint64_t group);
int shrink_follow_remove(struct shrink_bpf *bpf, uint64_t group);

#endif /* SHRINK_BRIDGE_FOLLOW_LOAD_H */
