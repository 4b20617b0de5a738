/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What happened: counters per shrinker and node and for the engine, the record
 * of the last rounds, and which sources are live. Structures are only appended
 * to; callers pass their size.
 */
#ifndef SHRINK_STATS_H
#define SHRINK_STATS_H

#include <shrink/reclaim.h>

SHRINK_BEGIN_DECLS

/** The engine's counters since the process began. */
struct shrink_stats {
	uint64_t events;           /**< notices that woke the monitor */
	uint64_t samples;          /**< times it read usage */
	uint64_t rounds;           /**< answered by reclaim on a worker */
	uint64_t direct;           /**< shrink_reclaim() calls */
	uint64_t passes;           /**< shrink_slab passes in them */
	uint64_t requested_bytes;  /**< goals, added up */
	uint64_t scanned_objects;
	uint64_t freed_objects;
	uint64_t freed_bytes;      /**< as reported or estimated */
	uint64_t pending_bytes;    /**< pending now */
	uint64_t completed_bytes;  /**< pending that came free */
	uint64_t returned_bytes;   /**< fall of RssAnon+RssShmem in rounds */
	uint64_t fruitless;        /**< rounds that freed nothing */
	uint64_t fragmented;       /**< rounds stopped because freed did not return */
	uint64_t releases;         /**< release stages run */
	uint64_t release_usec_max; /**< longest of them */
	uint64_t overruns;         /**< callbacks a standby took over from */
	uint64_t misuses;          /**< callback answers that were bounded (G12) */
	uint64_t holdoffs;         /**< times growth was held */
	uint64_t shrinkers;        /**< registered now */
	uint64_t limbo;            /**< freed, memory waits for readers */
	uint64_t worst_slope;      /**< steepest growth seen, bytes/s */
	uint32_t level;            /**< enum shrink_level */
	uint32_t running;          /**< 1 between start and stop */
	uint64_t node_rounds;      /**< of the workers of memory nodes */
	uint64_t parked_nodes;     /**< nodes whose caches have given nothing for long, now */
	uint64_t joined;           /**< shrink_reclaim() calls that waited for others */
	uint64_t slope;            /**< growth of usage now, bytes/s: a moving estimate of
				    *   what the monitor sees of the tightest limit */
	uint64_t exhaustion_usec;  /**< until that limit is met if it goes on so, from the last
				    *   look on; UINT64_MAX = it does not grow, or there is none */
};

/**
 * shrink_stats() - the engine's counters
 * @size: sizeof(*ret_stats) as the caller knows it
 *
 * Any context. Return: 0; -EINVAL.
 */
int shrink_stats(struct shrink_stats *ret_stats, size_t size);

/** The release stage: which allocator it found, and what it learned of it. */
struct shrink_release_info {
	char allocator[16];      /**< glibc, jemalloc, tcmalloc, mimalloc; unknown: register
				  *   it, see shrink_release_register() */
	char owner[256];         /**< file of the object that has malloc; "" = not known */
	uint64_t runs;           /**< stages in which something was released */
	uint64_t left_out_yield; /**< stages in which too little was expected of it */
	uint64_t left_out_stall; /**< in which it would have taken too long */
	uint64_t usec_max;       /**< longest stage */
	uint64_t usec_per_gib;   /**< expected stall, of what a release has to look at */
	uint32_t yield_percent;  /**< comes back of what the allocator's statistics
				  *   promise: a moving average */
	uint32_t registered;     /**< calls of shrink_release_register() */
};

/**
 * shrink_release_info() - the release stage
 * @size: sizeof(*ret_info) as the caller knows it
 *
 * The allocator is looked for by shrink_prepare(); before it is "unknown". Any
 * context. Return: 0; -EINVAL.
 */
int shrink_release_info(struct shrink_release_info *ret_info, size_t size);
/** Buckets of shrinker_stats.scan_hist. */
#define SHRINK_SCAN_HIST 7

/** One shrinker at one node. */
struct shrinker_stats {
	uint64_t counts;          /**< calls of count_objects */
	uint64_t scans;           /**< calls of scan_objects */
	uint64_t scanned_objects;
	uint64_t freed_objects;
	uint64_t freed_bytes;
	uint64_t pending_objects; /**< now */
	uint64_t pending_bytes;
	uint64_t stops;           /**< SHRINK_STOP answers */
	uint64_t misuses;
	int64_t nr_deferred;      /**< work put off, objects */
	uint64_t last_count;      /**< what count last said, objects */
	uint64_t object_size;     /**< given, or learned */
	uint64_t scan_usec;       /**< time in scans, but those of shrink_slab() itself */
	uint64_t scan_usec_max;
	uint64_t posted_objects;  /**< asked of the owner, unanswered */
	uint64_t slow_scans;      /**< longer than the tunable scan_budget */
	/** scans by time: below 10 us, 100 us, 1 ms, 10 ms, 100 ms, 1 s, and longer;
	 *  of all nodes together */
	uint64_t scan_hist[SHRINK_SCAN_HIST];
	uint64_t idle_rounds;     /**< rounds in a row that got nothing of it */
};

/**
 * shrinker_stats() - one shrinker's counters
 * @nid: node, or SHRINK_NUMA_NO_NODE for the sum
 *
 * Return: 0; -EINVAL: NULL, no such node, size 0.
 */
int shrinker_stats(const struct shrinker *s, int nid, struct shrinker_stats *ret_stats,
		   size_t size);

/** Why a round ended. */
enum shrink_round_end {
	SHRINK_ROUND_BALANCED = 0,   /**< usage is back above the high watermark */
	SHRINK_ROUND_MET = 1,        /**< the byte goal is met */
	SHRINK_ROUND_EXHAUSTED = 2,  /**< priority 0 done, caches have no more */
	SHRINK_ROUND_FRAGMENTED = 3, /**< freed but not returned */
	SHRINK_ROUND_DEADLINE = 4,
	SHRINK_ROUND_FRUITLESS = 5,  /**< nothing freed at all */
	SHRINK_ROUND_OVERTAKEN = 6,  /**< stuck in a callback, another went on */
	SHRINK_ROUND_SHARED = 7      /**< freed, but a forked child keeps the pages */
};

/** One round: requested -> scanned -> freed -> pending -> returned. */
struct shrink_round {
	uint64_t begin_nsec;     /**< CLOCK_MONOTONIC, or the test clock */
	uint64_t end_nsec;
	uint64_t notice_nsec;    /**< when the event that caused it was seen */
	uint64_t first_scan_nsec;/**< 0 = no scan was called */
	uint64_t requested_bytes;/**< 0 = unknown */
	uint64_t scanned_objects;
	uint64_t freed_objects;
	uint64_t freed_bytes;
	uint64_t pending_bytes;
	int64_t returned_bytes;
	int32_t priority_first;  /**< -1: the kernel's requests, which have none */
	int32_t priority_last;
	uint32_t end;            /**< enum shrink_round_end */
	uint32_t level;
	char source[16];
};

/**
 * shrink_rounds() - the latest rounds, newest first
 * @ret_rounds: room for @max records of @size bytes each
 *
 * Return: how many were written (at most 64 are kept), or -EINVAL.
 */
int shrink_rounds(struct shrink_round *ret_rounds, unsigned int max, size_t size);

/** A source of pressure, and why it is not live if it is not. */
struct shrink_source_info {
	char name[16];
	char state[16];   /**< "live", "failed", "off", "unsupported" */
	char reason[160]; /**< in words; "" where live needs none */
	uint64_t events;
};

/**
 * shrink_sources() - the ladder of sources, strongest first
 *
 * Return: how many were written, or -EINVAL.
 */
int shrink_sources(struct shrink_source_info *ret_infos, unsigned int max, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_STATS_H */
