/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The bridge through shrink-bridged(8), which holds the programs and tells each process of
 * its own group: for who has no privilege. If it ends, it is looked for again, at most once
 * a second and more rarely the longer it is gone; meanwhile there is no descriptor, and the
 * other sources are there.
 */
#ifndef SHRINK_BRIDGE_HELPER_H
#define SHRINK_BRIDGE_HELPER_H

#include <libshrink/bridge/bridge.h>

int shrink_helper_open(const struct shrink_bridge_who *who, char *reason, size_t size);
void shrink_helper_close(void);
/* -1 while it is gone. */
int shrink_helper_fd(void);
int shrink_helper_take(shrink_bridge_fn fn, void *arg);
bool shrink_helper_due(void);
int shrink_helper_chore(void);

#endif /* SHRINK_BRIDGE_HELPER_H */
