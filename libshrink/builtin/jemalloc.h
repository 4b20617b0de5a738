/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * jemalloc's non-standard interface, found at run time; its types as its manual gives
 * them, since its header need not be there where the library is built.
 */
#ifndef SHRINK_BUILTIN_JEMALLOC_H
#define SHRINK_BUILTIN_JEMALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include <libshrink/reclaim/mallctl.h>

#define JE_TCACHE_NONE (1 << 8)
#define JE_ARENA(i)    ((int)((i) + 1) << 20)

struct je_hooks {
	void *(*alloc)(struct je_hooks *, void *, size_t, size_t, bool *, bool *, unsigned int);
	bool (*dalloc)(struct je_hooks *, void *, size_t, bool, unsigned int);
	void (*destroy)(struct je_hooks *, void *, size_t, bool, unsigned int);
	bool (*commit)(struct je_hooks *, void *, size_t, size_t, size_t, unsigned int);
	bool (*decommit)(struct je_hooks *, void *, size_t, size_t, size_t, unsigned int);
	bool (*purge_lazy)(struct je_hooks *, void *, size_t, size_t, size_t, unsigned int);
	bool (*purge_forced)(struct je_hooks *, void *, size_t, size_t, size_t, unsigned int);
	bool (*split)(struct je_hooks *, void *, size_t, size_t, size_t, bool, unsigned int);
	bool (*merge)(struct je_hooks *, void *, size_t, void *, size_t, bool, unsigned int);
};

struct je {
	shrink_mallctl_fn *mallctl;
	void *(*mallocx)(size_t, int);
	void (*dallocx)(void *, int);
	size_t (*sallocx)(const void *, int);
	size_t page;
	struct je_hooks defaults; /* what extents are made of where nobody hooks */
};

/* NULL: none in the process, or one before 5. Looks once; may allocate. */
const struct je *shrink_je(void);

#endif /* SHRINK_BUILTIN_JEMALLOC_H */
