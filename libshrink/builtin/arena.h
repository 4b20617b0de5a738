/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* An arena of jemalloc's, with hooks of ours where it takes memory from the system. */
#ifndef SHRINK_BUILTIN_ARENA_H
#define SHRINK_BUILTIN_ARENA_H

#include <stdatomic.h>
#include <stdint.h>

#include <shrink/arena.h>
#include <libshrink/builtin/jemalloc.h>

struct shrink_arena {
	struct je_hooks hooks; /* first: jemalloc hands us a pointer to them */
	const struct je *je;
	unsigned int index;
	int nid;		    /* -1 = anywhere */
	struct shrink_memcg *memcg; /* referenced; NULL = none */
	_Atomic uint64_t charged;   /* to it, of live objects */
	_Atomic uint64_t grown, purged;
};

/* Fills in arena->hooks. */
void shrink_arena_hook(struct shrink_arena *arena);

#endif /* SHRINK_BUILTIN_ARENA_H */
