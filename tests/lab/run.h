/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* One run of the laboratory: a group, a cache in it, a neighbour, and what came of it. */
#ifndef LAB_RUN_H
#define LAB_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct run_spec {
	const char *policy;
	const char *alloc;     /* malloc, jemalloc, pool */
	const char *order;     /* fifo, random; own: the pool's */
	unsigned int object;   /* bytes */
	unsigned int headroom; /* MiB */
	unsigned int burst;    /* MiB the neighbour takes; 0 = none, how fast does
				  memory go back */
	unsigned int ramp;     /* MB a second; 0 = as fast as it can */
	unsigned int limit;    /* MiB of the group */
	unsigned int rate;     /* requests a second */
	unsigned int seconds;  /* to serve at least */
	const char *pattern;   /* the neighbour's, see kvhog --help; NULL = ramp */
};

struct run_result {
	bool able; /* false: it cannot be run here, @why says it */
	char why[160];
	bool cache_died, hog_died;
	uint64_t oom_kills; /* the kernel's count */
	double notice_usec; /* crossing to first eviction; NaN = none */
	double need_mib, freed_mib;
	double overshoot;  /* (freed - need) / need; NaN = nothing was needed */
	double stall_usec; /* PSI "some" of the group, or of the machine */
	double p50_usec, p99_usec, p999_usec, max_usec, hit_after;
	double cpu_percent; /* of a core, the cache's process */
	double hog_seconds;
	double hog_rate;	      /* MB a second that it really took; NaN = it did not end */
	double released_mib, evicted_mib, release_usec; /* of a run that measures release */
	uint64_t torn, requests;
};

/* Where the programs are. */
struct run_paths {
	const char *cache, *hog, *jemalloc;
};

/* 0, or -errno where not even a group can be had (and *ret_why). */
int run_one(const struct run_paths *paths, const struct run_spec *spec,
	    struct run_result *ret_result, const char **ret_why);

#endif /* LAB_RUN_H */
