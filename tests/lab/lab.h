/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The pressure laboratory's cache: one server under a memory limit, whose answer to
 * pressure can be exchanged. Everything but the policy is the same code for
 * libshrink and for what it is compared with, so a run compares policies only.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_NSEC 1000000000ull
#define LAB_MIB	 (1ull << 20)

struct shrink_pool;

enum lab_order { LAB_FIFO, LAB_RANDOM };

/* The objects: key -> object, and the order in which a policy evicts them. */
struct store {
	pthread_mutex_t lock;
	struct object **slot; /* 1 .. nr_keys */
	uint32_t *queue;      /* keys in the order of insertion, a ring; or a bag */
	uint64_t head, nr;    /* of @queue, under the lock */
	uint64_t nr_keys;
	size_t object_bytes;
	enum lab_order order;
	struct shrink_pool *pool;	   /* NULL = malloc, whichever the process has */
	uint64_t seed;			   /* of the random order */
	_Atomic uint64_t bytes;		   /* held now, as asked of the allocator */
	_Atomic uint64_t peak_loss;	   /* most that was gone at once since store_mark() */
	_Atomic uint64_t marked;	   /* what was held at store_mark() */
	_Atomic uint64_t evicted_bytes;	   /* in answer to pressure */
	_Atomic uint64_t first_evict_nsec; /* CLOCK_MONOTONIC; 0 = none yet */
	_Atomic uint64_t torn;		   /* objects found damaged: must stay 0 */
};

struct lab {
	struct store store;
	const struct lab_policy *policy;
	uint64_t limit, headroom; /* bytes: of the group; at which a policy is to act */
	uint64_t cap;		  /* bytes: max_size of the cache, where it has one */
	uint64_t tick_nsec;	  /* of policies that poll */
	int usage_fd;		  /* usage of the group */
	const char *group;	  /* its folder */
	const char *psi;	  /* its pressure file */
	_Atomic bool stop;
	_Atomic uint64_t decisions; /* a policy's answers to what it took for pressure */
	pthread_t thread;	    /* a baseline's */
	bool thread_runs;
	int efd, fd; /* a baseline's */
};

/* An answer to pressure. start() returns 0, or -errno with the reason in *ret_why. */
struct lab_policy {
	const char *name;
	const char *summary;
	int (*start)(struct lab *lab, const char **ret_why);
	void (*stop)(struct lab *lab);
	bool (*may_grow)(struct lab *lab); /* NULL = always */
	unsigned int cap_percent;	   /* of what fits; 0 = 100 */
	int (*make_pool)(struct lab *lab); /* the page-true pool; NULL = cannot use it */
	void (*shrink)(struct lab *lab, uint64_t bytes); /* at once, returned before it
							    returns; NULL = cannot */
};

extern const struct lab_policy lab_policy_none, lab_policy_fixed, lab_policy_cachelib,
	lab_policy_midas, lab_policy_bcachefs, lab_policy_systemd, lab_policy_mariadb,
	lab_policy_eve, lab_policy_libshrink;

uint64_t lab_nsec(void);
void lab_sleep_nsec(uint64_t nsec);
/* Usage of the group now; 0 = cannot be read. */
uint64_t lab_usage(const struct lab *lab);
/* What a baseline does once it has decided: evicts @bytes, then the trim its allocator
 * has. */
void lab_give_back(struct lab *lab, uint64_t bytes);
/* A baseline's thread, and its end. */
int lab_thread(struct lab *lab, void *(*fn)(void *));
void lab_thread_end(struct lab *lab);

int store_init(struct store *store, uint64_t nr_keys, size_t object_bytes, enum lab_order order);
void store_end(struct store *store);
/* 1 hit, 0 miss; looks at the whole object's check words. */
int store_get(struct store *store, uint64_t key);
/* 0; -ENOMEM; -EEXIST. */
int store_put(struct store *store, uint64_t key);
/* Evicts in the store's order; returns bytes. @pressed: in answer to pressure, and not to
 * replace one object by another. */
uint64_t store_evict(struct store *store, uint64_t objects, bool pressed);
/* From now on peak_loss counts. */
void store_mark(struct store *store);
uint64_t store_objects(struct store *store);
/* One object that the pool wants gone. */
bool store_take(struct store *store, void *memory);

/* The open-loop client: requests at a fixed rate, each timed from when it was due. */
struct requests {
	struct lab *lab;
	uint64_t rate; /* a second */
	double zipf;
	_Atomic bool stop;
	_Atomic uint64_t done, hits;
	struct hist *hist; /* nanoseconds */
	pthread_t thread;
};

int requests_start(struct requests *requests);
void requests_stop(struct requests *requests);

#endif /* LAB_LAB_H */
