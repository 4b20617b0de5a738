/* SPDX-License-Identifier: MIT */
/* The order of stores, told by their cas numbers, and what flush_all has made of it: all
 * that was stored before is dead. Any thread. */
#ifndef KVCACHED_EPOCH_H
#define KVCACHED_EPOCH_H

#include "examples/kvcached/item.h"

/* A cas number that nothing has had. */
uint64_t epoch_next(void);

/* Everything stored until now is gone at @when, 0 = now. */
void items_flush(uint32_t when);

/* Under the shard lock: neither expired nor flushed? */
bool items_alive(const struct item *it, uint32_t now);

#endif /* KVCACHED_EPOCH_H */
