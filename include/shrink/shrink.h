/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * All of libshrink. Read them in this order.
 */
#ifndef SHRINK_SHRINK_H
#define SHRINK_SHRINK_H

#include <shrink/shrinker.h>
#include <shrink/reclaim.h>
#include <shrink/owner.h>
#include <shrink/fast.h>
#include <shrink/arena.h>
#include <shrink/pool.h>
#include <shrink/region.h>
#include <shrink/workingset.h>
#include <shrink/lruvec.h>
#include <shrink/age.h>
#include <shrink/conf.h>
#include <shrink/memcg.h>
#include <shrink/list_lru.h>
#include <shrink/stats.h>
#include <shrink/bridge.h>
#include <shrink/sim.h>
#include <shrink/version.h>

#endif /* SHRINK_SHRINK_H */
