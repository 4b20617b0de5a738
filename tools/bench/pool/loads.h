/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Loads made up, as traces: the same in every run. */
#ifndef BENCH_POOL_LOADS_H
#define BENCH_POOL_LOADS_H

#include "tools/replay/trace.h"

enum load {
	LOAD_ZIPF,  /* skew 0.9, sizes 100 B to 4 KiB */
	LOAD_SCAN,  /* the same, and every fourth request is of a scan, never seen again */
	LOAD_CHURN, /* the same, and what is popular moves on: all of it, four times over */
	LOAD_SHIFT, /* the same, and sizes grow eightfold half-way */
	LOADS
};

extern const char *const load_names[LOADS];

/* 0; -ENOMEM. */
int load_make(struct trace *t, enum load load, size_t requests, uint32_t keys);

#endif /* BENCH_POOL_LOADS_H */
