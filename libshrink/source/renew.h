/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Sources do not stay as they were opened:
 *
 *	a process is moved		its group is found again, and all that watch it
 *					are opened there
 *	a source has failed		it is opened again, after 1 s, 2 s ... 64 s
 *
 * Opening files takes time and may block, so a thread of the engine's does it as a
 * chore, while the monitor leaves these sources alone; then the monitor takes them back.
 * Whether we were moved is a look at /proc/self/cgroup, once a second.
 *
 *	monitor		live, failed -> opening			  -> live, failed
 *	standby				| open new group, sync, close, open |
 *
 * Gauges are read by other threads at any time: what one reads is closed after a grace
 * period in which it is left out. That of the own group's usage is never left out,
 * it is turned to the new group.
 *
 * A filter of system calls that was installed after shrink_prepare() need not permit
 * opening anything: then all stays as it is (G13).
 */
#ifndef SHRINK_SOURCE_RENEW_H
#define SHRINK_SOURCE_RENEW_H

#include <stdint.h>

/* Around shrink_sources_open() and _close(). */
void shrink_renew_open(void);
void shrink_renew_close(void);
void shrink_renew_forget(void);

/* Monitor: takes back what was opened, and sees what is to be. True: the gauges are
 * others now, look at them. */
int shrink_renew_turn(uint64_t now);
uint64_t shrink_renew_next(void);

#endif /* SHRINK_SOURCE_RENEW_H */
