/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Playing the kernel that takes lazily freed pages: with MADV_PAGEOUT it does so at
 * once, also without swap. */
#ifndef TESTS_PURGE_H
#define TESTS_PURGE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* On one processor from now on: pages wait in lists of each processor before they are
 * where the kernel would take them from. */
static inline void purge_stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static inline bool purge_is_there(void *page)
{
	unsigned char there = 1;

	return mincore(page, 1, &there) < 0 || (there & 1);
}

/* False: the kernel does not take these pages, though it was asked a hundred times. */
static inline bool purge_pages(void *at, size_t pages)
{
	for (int turn = 0; turn < 100; turn++) {
		size_t gone = 0;

		if (madvise(at, pages * 4096, MADV_PAGEOUT) < 0)
			return false;
		while (gone < pages && !purge_is_there((char *)at + gone * 4096))
			gone++;
		if (gone == pages)
			return true;
		sched_yield();
	}
	return false;
}

#endif /* TESTS_PURGE_H */
