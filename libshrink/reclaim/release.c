// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <shrink/stats.h>
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/allocator.h>
#include <libshrink/reclaim/release-learn.h>
#include <libshrink/reclaim/release.h>

#define RELEASERS 8

struct releaser {
	char name[32];
	uint64_t (*predict)(void *arg);
	uint64_t (*release)(void *arg, uint64_t want);
	void *arg;
};

static struct releaser releasers[RELEASERS];
static _Atomic unsigned int nr_releasers;
static pthread_mutex_t release_lock = PTHREAD_MUTEX_INITIALIZER; /* registering */

static const struct shrink_allocator *allocator; /* that owns malloc; NULL = unknown */
static const char *owner_path = "";

/* Several threads may reclaim at once (direct reclaim): they must not release at once
 * too, and what is learned is one's own while the stage is. Never waited for. */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static struct shrink_release_learned learned = {.yield = SHRINK_RELEASE_YIELD_ALL};
static uint64_t promised; /* by the allocator in the stage that runs; 0 = it was left out */

static _Atomic uint64_t runs, usec_max, left_out_yield, left_out_stall;
/* copies for those who only look */
static _Atomic uint64_t seen_pace, seen_yield = SHRINK_RELEASE_YIELD_ALL;

int shrink_release_register(const char *name, uint64_t (*predict)(void *arg),
			    uint64_t (*release)(void *arg, uint64_t want), void *arg)
{
	unsigned int n;
	int r = 0;

	if (!name || !predict || !release)
		return -EINVAL;
	pthread_mutex_lock(&release_lock);
	n = atomic_load(&nr_releasers);
	if (n == RELEASERS) {
		r = -ENOSPC;
	} else {
		struct releaser *x = &releasers[n];

		snprintf(x->name, sizeof(x->name), "%s", name);
		x->predict = predict;
		x->release = release;
		x->arg = arg;
		atomic_store_explicit(&nr_releasers, n + 1, memory_order_release);
	}
	pthread_mutex_unlock(&release_lock);
	return r;
}

void shrink_release_prepare(void)
{
	allocator = shrink_allocator_find(&owner_path);
	/* nothing runs now; in a forked child the stage may have been another thread's */
	atomic_flag_clear(&busy);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void publish_learned(void)
{
	atomic_store_explicit(&seen_pace, learned.usec_per_gib, memory_order_relaxed);
	atomic_store_explicit(&seen_yield, learned.yield, memory_order_relaxed);
}

static int release_registered(uint64_t freed, uint64_t want)
{
	unsigned int n = atomic_load_explicit(&nr_releasers, memory_order_acquire);
	int ran = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct releaser *x = &releasers[i];

		if (x->predict(x->arg) < shrink_mul_div(freed, SHRINK_TUN(min_yield), 100))
			continue;
		x->release(x->arg, shrink_max_u64(want, freed));
		ran = 1;
	}
	return ran;
}

/* What an allocator that tells nothing is taken to promise: all that was freed. */
static uint64_t or_freed(uint64_t bytes, uint64_t freed)
{
	return bytes == SHRINK_ALLOCATOR_UNKNOWN ? freed : bytes;
}

static int release_allocator(uint64_t freed, uint64_t want)
{
	struct shrink_allocator_view view;
	uint64_t begin, promise, walks, stall = SHRINK_TUN(release_stall);

	promised = 0;
	if (!allocator)
		return 0;
	/* looking costs as well: not while stages are left out anyway */
	if (learned.skip) {
		shrink_release_worth(&learned, 0, freed, 0);
		count(&left_out_yield);
		return 0;
	}
	allocator->look(&view);
	promise = shrink_min_u64(or_freed(view.gives, freed), freed);
	walks = or_freed(view.walks, freed);
	if (!shrink_release_worth(&learned, promise, freed, SHRINK_TUN(min_yield))) {
		count(&left_out_yield);
		return 0;
	}
	if (!shrink_release_affordable(&learned, walks, stall)) {
		count(&left_out_stall);
		return 0;
	}
	promised = promise;
	begin = shrink_os_clock_real();
	allocator->release(shrink_max_u64(want, freed), stall);
	shrink_release_learn_pace(&learned, walks,
				  (shrink_os_clock_real() - begin) / NSEC_PER_USEC);
	return 1;
}

int shrink_release_run(uint64_t freed, uint64_t want)
{
	uint64_t begin = shrink_os_clock_real(), usec;
	int ran;

	if (!SHRINK_TUN(release) || !freed || atomic_flag_test_and_set(&busy))
		return 0;
	ran = release_registered(freed, want);
	ran |= release_allocator(freed, want);
	publish_learned();
	if (!ran) {
		atomic_flag_clear(&busy);
		return 0;
	}
	usec = (shrink_os_clock_real() - begin) / NSEC_PER_USEC;
	count(&runs);
	if (usec > atomic_load_explicit(&usec_max, memory_order_relaxed))
		atomic_store_explicit(&usec_max, usec, memory_order_relaxed);
	return 1; /* and shrink_release_judge() comes next, on this thread */
}

void shrink_release_judge(uint64_t freed, uint64_t returned)
{
	bool good = returned >= shrink_mul_div(freed, SHRINK_TUN(min_yield), 100);

	if (promised)
		shrink_release_learn_yield(&learned, promised, returned, good);
	publish_learned();
	atomic_flag_clear(&busy);
}

struct shrink_release_stats shrink_release_stats(void)
{
	return (struct shrink_release_stats){
		.runs = atomic_load_explicit(&runs, memory_order_relaxed),
		.usec_max = atomic_load_explicit(&usec_max, memory_order_relaxed),
		.left_out_yield = atomic_load_explicit(&left_out_yield, memory_order_relaxed),
		.left_out_stall = atomic_load_explicit(&left_out_stall, memory_order_relaxed),
	};
}

int shrink_release_info(struct shrink_release_info *ret_info, size_t size)
{
	struct shrink_release_stats stats = shrink_release_stats();
	struct shrink_release_info info = {
		.runs = stats.runs,
		.left_out_yield = stats.left_out_yield,
		.left_out_stall = stats.left_out_stall,
		.usec_max = stats.usec_max,
		.usec_per_gib = atomic_load_explicit(&seen_pace, memory_order_relaxed),
		.yield_percent =
			(uint32_t)(atomic_load_explicit(&seen_yield, memory_order_relaxed) * 100 /
				   SHRINK_RELEASE_YIELD_ALL),
		.registered = atomic_load_explicit(&nr_releasers, memory_order_relaxed),
	};

	if (!ret_info || !size)
		return -EINVAL;
	snprintf(info.allocator, sizeof(info.allocator), "%s",
		 allocator ? allocator->name : "unknown");
	snprintf(info.owner, sizeof(info.owner), "%s", owner_path);
	memset(ret_info, 0, size);
	memcpy(ret_info, &info, size < sizeof(info) ? size : sizeof(info));
	return 0;
}
