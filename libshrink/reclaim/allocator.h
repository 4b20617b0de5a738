/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The allocators the release stage knows by itself. One file each; all of them talk to
 * the allocator through symbols found at run time, since none may be forced on the
 * program.
 */
#ifndef SHRINK_RECLAIM_ALLOCATOR_H
#define SHRINK_RECLAIM_ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

#include <libshrink/os/object.h>

/* It keeps no statistics that would tell. */
#define SHRINK_ALLOCATOR_UNKNOWN UINT64_MAX

/* What one look at the allocator's own statistics says. */
struct shrink_allocator_view {
	uint64_t gives; /* bytes a release could give back at most, or ..._UNKNOWN */
	uint64_t walks; /* bytes a release has to look at: what its stall grows with */
};

struct shrink_allocator {
	const char *name;
	/* Is @owner, the object that has malloc, this allocator? Looks its symbols up, in
	 * that very object: a second allocator in the process, prefixed or a plug-in's, is
	 * not what free() feeds. */
	bool (*find)(const struct shrink_os_object *owner);
	void (*look)(struct shrink_allocator_view *ret_view);
	/* Gives back @want bytes or what there is, for about @usec at most where it can
	 * be bounded. */
	void (*release)(uint64_t want, uint64_t usec);
};

extern const struct shrink_allocator shrink_allocator_glibc, shrink_allocator_jemalloc,
	shrink_allocator_mimalloc, shrink_allocator_tcmalloc;

/* The one that owns malloc; NULL: none of those above. Sets the path of the object, static,
 * "" where even that is unknown. May allocate (dlsym). */
const struct shrink_allocator *shrink_allocator_find(const char **ret_path);

#endif /* SHRINK_RECLAIM_ALLOCATOR_H */
