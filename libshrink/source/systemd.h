/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
#ifndef SHRINK_SOURCE_SYSTEMD_H
#define SHRINK_SOURCE_SYSTEMD_H

#include <stdbool.h>

/* MEMORY_PRESSURE_WATCH says that stall is not to be watched at all (and the tunable
 * systemd does not overrule it). Start only. */
bool shrink_systemd_forbids(void);

/* A path as MEMORY_PRESSURE_WATCH may name it: absolute, and without empty steps or such
 * that lead elsewhere than they seem to ("." and ".."). Pure. */
bool shrink_systemd_is_plain(const char *path);

#endif /* SHRINK_SOURCE_SYSTEMD_H */
