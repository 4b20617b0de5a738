// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The open-loop client: what is due is due, however long the one before it took. A
 * stall therefore shows in every request that it delayed, not in one.
 */
#include "tests/lab/lab.h"
#include "tools/kvload/hist.h"
#include "tools/kvload/zipf.h"

/* A miss is fetched from where it came from and kept, if there is room. */
static void miss(struct lab *lab, uint64_t key)
{
	struct store *store = &lab->store;

	if (lab->policy->may_grow && !lab->policy->may_grow(lab))
		return;
	if (store->bytes + store->object_bytes > lab->cap && !store_evict(store, 1, false))
		return;
	store_put(store, key);
}

static void *run(void *arg)
{
	struct requests *requests = arg;
	struct lab *lab = requests->lab;
	uint64_t gap = LAB_NSEC / requests->rate, due = lab_nsec();
	struct rng rng;
	struct zipf zipf;

	rng_seed(&rng, 42);
	zipf_init(&zipf, lab->store.nr_keys, requests->zipf);
	while (!requests->stop) {
		uint64_t key = zipf_next(&zipf, &rng), now;

		while (lab_nsec() < due)
			lab_sleep_nsec(50000);
		if (store_get(&lab->store, key))
			atomic_fetch_add(&requests->hits, 1);
		else
			miss(lab, key);
		atomic_fetch_add(&requests->done, 1);
		now = lab_nsec();
		hist_add(requests->hist, now > due ? now - due : 0);
		due += gap;
	}
	return NULL;
}

int requests_start(struct requests *requests)
{
	requests->stop = false;
	return -pthread_create(&requests->thread, NULL, run, requests);
}

void requests_stop(struct requests *requests)
{
	requests->stop = true;
	pthread_join(requests->thread, NULL);
}
