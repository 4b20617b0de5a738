/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * One shrinker asked from outside: so many objects at a node, whatever came of it being
 * reckoned elsewhere. For the kernel, whose own arithmetic stands behind its requests
 * (bridge/module.h). Same callbacks, same bounds, same statistics as a visit of a pass,
 * without the library's arithmetic.
 *
 * A shrinker that knows groups is asked in each that has objects of it, in proportion
 * to what is there: to the kernel the process is one.
 *
 * All inside the gate, with a reference on the shrinker.
 */
#ifndef SHRINK_CORE_REQUEST_H
#define SHRINK_CORE_REQUEST_H

#include <libshrink/core/core.h>

/* Before the first of the calls below: the pass is of this process, as it is now. */
void shrink_request_begin(struct shrink_pass *pass);

/* What may be asked for: 0 of one that is switched off or stuck. Of an owner's cache: what
 * is published and not posted. */
unsigned long shrink_request_count(struct shrink_pass *pass, struct shrinker_impl *s, int nid);

/* Scans up to @objects in batches of its own, and no more than it counts now. Objects
 * freed. Ends early, with pass->stopped set, as a pass does. Not an owner's. */
unsigned long shrink_request_scan(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
				  unsigned long objects);

/* An owner's cache: posts up to @objects. How many; 0: there is nothing; -EAGAIN: its
 * owner is busy with another request. */
long shrink_request_post(struct shrink_pass *pass, struct shrinker_impl *s, int nid,
			 unsigned long objects);

#endif /* SHRINK_CORE_REQUEST_H */
