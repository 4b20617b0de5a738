/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Static probes: a nop each, with the values of the kernel's tracepoints
 * mm_shrink_slab_start and mm_shrink_slab_end in the same order. */
#ifndef SHRINK_BASE_PROBE_H
#define SHRINK_BASE_PROBE_H

#include "config.h"

#ifdef HAVE_SDT
#include <sys/sdt.h>
#define SHRINK_PROBE_START(s, fn, nid, nr, gfp, freeable, delta, total, prio)                      \
	DTRACE_PROBE9(libshrink, shrink_slab_start, s, fn, nid, nr, gfp, freeable, delta, total,   \
		      prio)
#define SHRINK_PROBE_END(s, nid, fn, nr, deferred, freed, total)                                   \
	DTRACE_PROBE7(libshrink, shrink_slab_end, s, nid, fn, nr, deferred, freed, total)
#else
#define SHRINK_PROBE_START(s, fn, nid, nr, gfp, freeable, delta, total, prio)                      \
	((void)(fn), (void)(nr), (void)(gfp), (void)(delta), (void)(total), (void)(prio))
#define SHRINK_PROBE_END(s, nid, fn, nr, deferred, freed, total)                                   \
	((void)(fn), (void)(nr), (void)(deferred), (void)(freed), (void)(total))
#endif

#endif /* SHRINK_BASE_PROBE_H */
