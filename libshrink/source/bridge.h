/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The bridge's account, for who asks. */
#ifndef SHRINK_SOURCE_BRIDGE_H
#define SHRINK_SOURCE_BRIDGE_H

#include <shrink/bridge.h>

/* Any thread. */
void shrink_bridge_gather(struct shrink_bridge_stats *ret_stats);

#endif /* SHRINK_SOURCE_BRIDGE_H */
