/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
#ifndef SHRINK_SOURCE_SYSTEMD_H
#define SHRINK_SOURCE_SYSTEMD_H

#include <stdbool.h>

/* MEMORY_PRESSURE_WATCH says that stall is not to be watched at all (and the tunable
 * systemd does not overrule it). Start only. */
bool shrink_systemd_forbids(void);

#endif /* SHRINK_SOURCE_SYSTEMD_H */
