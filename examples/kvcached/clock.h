/* SPDX-License-Identifier: MIT */
/*
 * Time as the cache sees it: whole seconds since the server started, so that an
 * expiry fits 32 bits. The first second is 2: 0 stays "never", 1 "in the past".
 */
#ifndef KVCACHED_CLOCK_H
#define KVCACHED_CLOCK_H

#include <stdint.h>

/* Call once, before any other thread. */
void clock_init(void);

uint32_t clock_now(void);

/* Uptime in seconds. */
uint32_t clock_uptime(void);

/* The protocol's exptime: 0 = never, negative = at once, up to 30 days = from
 * now, anything larger = Unix time. Returns seconds on our scale, 0 = never. */
uint32_t clock_expiry(int32_t exptime);

#endif /* KVCACHED_CLOCK_H */
