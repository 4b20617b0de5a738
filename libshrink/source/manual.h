/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The application's own notice; shrink_pressure() is in manual.c. */
#ifndef SHRINK_SOURCE_MANUAL_H
#define SHRINK_SOURCE_MANUAL_H

#include <stdint.h>

#include <shrink/reclaim.h>

/* The level of the notice that holds now, NORMAL if none; *ret_until when it
 * expires (UINT64_MAX: none holds). */
enum shrink_level shrink_manual_level(uint64_t now, uint64_t *ret_until);
/* Forgets it: stopped, or forked. */
void shrink_manual_reset(void);

#endif /* SHRINK_SOURCE_MANUAL_H */
