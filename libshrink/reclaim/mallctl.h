/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * jemalloc's one call for all it can tell and be told, found at run time. The release
 * stage talks to the jemalloc that owns malloc, arenas to the one that has mallocx: each
 * says which it means.
 */
#ifndef SHRINK_RECLAIM_MALLCTL_H
#define SHRINK_RECLAIM_MALLCTL_H

#include <stddef.h>

#include <libshrink/os/object.h>

/* MALLCTL_ARENAS_ALL of its header, part of its interface since 5.0. */
#define SHRINK_MALLCTL_ARENAS_ALL 4096u

typedef int shrink_mallctl_fn(const char *name, void *old, size_t *old_size, void *new,
			      size_t new_size);

/* NULL: the object is no jemalloc. */
shrink_mallctl_fn *shrink_mallctl_of(const struct shrink_os_object *object);

/* A size_t of arena @i, from a name with one %u; @otherwise where it has none, as builds
 * without statistics. */
size_t shrink_mallctl_number(shrink_mallctl_fn *ctl, const char *format, unsigned int i,
			     size_t otherwise);

/* Its threads' counters are added up at each epoch only. */
void shrink_mallctl_refresh(shrink_mallctl_fn *ctl);

/* Dirty and muzzy pages of arena @i go back. Fails for one that is not in use, silently. */
void shrink_mallctl_purge(shrink_mallctl_fn *ctl, unsigned int i);

#endif /* SHRINK_RECLAIM_MALLCTL_H */
