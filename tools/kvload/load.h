/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The load: threads that each drive some connections through one epoll.
 *
 * First the fill: every key is set once, in an order that has nothing to do with
 * how often it will be asked for. Then cache-aside reads of Zipf keys: get, and on
 * a miss set. Each connection has one request outstanding and its own sequence of
 * keys, so that the same seed asks the same questions whatever the server does.
 *
 * A request's pause is the time from its first byte sent to its answer complete;
 * where the connection breaks it is asked again and its clock runs on, as it does
 * for the user who waits.
 *
 * That is a closed loop: while the server pauses nothing is asked, so that a pause
 * is seen by the few who wait for it and not by all who would have come. With an
 * open rate reads are due at times that have nothing to do with answers (a Poisson
 * process of the seed's), and a read's pause is counted from when it was due, whether
 * or not a connection was free then. Pauses of the fill are not counted then.
 */
#ifndef KVLOAD_LOAD_H
#define KVLOAD_LOAD_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>

#include "tools/kvload/hist.h"
#include "tools/kvload/value.h"
#include "tools/kvload/zipf.h"

struct load_options {
	struct sockaddr_in server;
	unsigned int threads;
	unsigned int conns;       /* of all threads together */
	uint64_t keys;            /* ids 0 .. keys - 1 */
	uint64_t fill;            /* keys set in the fill */
	double exponent;
	uint64_t seed;
	uint64_t rate;            /* reads a second of all connections, 0 = as fast as it goes */
	uint64_t open_rate;       /* reads due a second, whatever becomes of them; 0 = closed */
	unsigned int scan;        /* percent of reads that ask for keys nobody asks for again */
	const char *prefix;       /* before each key */
	uint64_t reads_max;       /* reads in all, 0 = no limit */
	struct value_range range;
};

/* Added to by the load's threads, read by anybody. */
struct load_counters {
	_Atomic uint64_t gets, hits, sets, stored;
	_Atomic uint64_t scans;      /* of gets: of the scan, which cannot hit */
	_Atomic uint64_t late;       /* open: reads that had to wait for a connection */
	_Atomic uint64_t refused;    /* SERVER_ERROR: out of memory and the like */
	_Atomic uint64_t bad;        /* values that are not what was set */
	_Atomic uint64_t garbled;    /* answers that are none */
	_Atomic uint64_t lost;       /* connections that broke with a request waiting */
	_Atomic uint64_t unanswered; /* requests given up at the end */
	_Atomic uint64_t value_bytes;
	struct hist pause_nsec;
};

enum load_phase { LOAD_FILL, LOAD_READ, LOAD_STOP };

struct load {
	struct load_options options;
	struct zipf zipf;
	uint64_t fill_stride;        /* coprime to keys: the order of the fill */
	_Atomic int phase;           /* enum load_phase, set by the controller */
	_Atomic uint64_t fill_next;  /* how many were begun */
	_Atomic uint64_t fill_done;
	_Atomic uint64_t reads;      /* reads begun */
	_Atomic uint64_t scan_next;  /* how many keys of the scan were asked for */
	struct load_counters counters;
	struct load_thread *thread;
};

uint64_t now_nsec(void);

/* 0, or a negative errno. */
int load_start(struct load *load, const struct load_options *options);
/* Asks for the end: outstanding requests get a second to be answered. */
void load_stop(struct load *load);

#endif /* KVLOAD_LOAD_H */
