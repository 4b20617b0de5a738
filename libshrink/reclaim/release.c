// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <shrink/reclaim.h>
#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/release.h>

#define RELEASERS 8
#define JEMALLOC_ARENAS_ALL 4096

struct releaser {
	char name[32];
	uint64_t (*predict)(void *arg);
	uint64_t (*release)(void *arg, uint64_t want);
	void *arg;
};

static struct releaser releasers[RELEASERS];
static _Atomic unsigned int nr_releasers;
static pthread_mutex_t release_lock = PTHREAD_MUTEX_INITIALIZER; /* registering */

static enum { ALLOC_UNKNOWN, ALLOC_GLIBC, ALLOC_JEMALLOC } allocator;
static int (*jemalloc_ctl)(const char *, void *, size_t *, void *, size_t);

static _Atomic uint64_t runs, usec_max;
static _Atomic uint64_t usec_per_gib;      /* of the heap: what trims have taken */
static _Atomic unsigned int bad_yields;    /* in a row */
static _Atomic uint64_t skip;              /* stages to leave out */

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
	void *owner = dlsym(RTLD_DEFAULT, "malloc");
	Dl_info info;

	/* ISO C has no cast from object to function pointer; POSIX has dlsym */
	*(void **)&jemalloc_ctl = dlsym(RTLD_DEFAULT, "mallctl");
	allocator = ALLOC_UNKNOWN;
	if (jemalloc_ctl)
		allocator = ALLOC_JEMALLOC;
	else if (owner && dladdr(owner, &info) && info.dli_fname &&
		 strstr(info.dli_fname, "libc.so"))
		allocator = ALLOC_GLIBC;
}

const char *shrink_release_allocator(void)
{
	return allocator == ALLOC_GLIBC	     ? "glibc"
	       : allocator == ALLOC_JEMALLOC ? "jemalloc"
					     : "unknown";
}

/*
 * The expected stall, from the pace of trims so far and the heap's size now. A
 * trim left out makes the next more likely: one that was slow only because the
 * machine was busy must not be the last there ever was.
 */
static int trim_is_affordable(size_t heap)
{
	uint64_t pace = atomic_load_explicit(&usec_per_gib, memory_order_relaxed);

	if (shrink_mul_div(pace, heap, 1ULL << 30) <= SHRINK_TUN(release_stall))
		return 1;
	atomic_store_explicit(&usec_per_gib, pace - pace / 4, memory_order_relaxed);
	return 0;
}

static void learn_pace(uint64_t usec, size_t heap)
{
	uint64_t pace = atomic_load_explicit(&usec_per_gib, memory_order_relaxed);
	uint64_t now = shrink_mul_div(usec, 1ULL << 30, heap + 1);

	atomic_store_explicit(&usec_per_gib, pace ? pace / 2 + now / 2 : now, memory_order_relaxed);
}

static int release_glibc(uint64_t freed)
{
	struct mallinfo2 info = mallinfo2();
	uint64_t begin, usec;

	/* What is free in the heap bounds what a trim can give back */
	if (shrink_mul_div(freed, SHRINK_TUN(min_yield), 100) > info.fordblks ||
	    !trim_is_affordable(info.arena))
		return 0;
	begin = shrink_os_clock_real();
	malloc_trim(0);
	usec = (shrink_os_clock_real() - begin) / NSEC_PER_USEC;
	learn_pace(usec, info.arena);
	return 1;
}

static int release_jemalloc(void)
{
	char name[32];

	snprintf(name, sizeof(name), "arena.%d.purge", JEMALLOC_ARENAS_ALL);
	return !jemalloc_ctl(name, NULL, NULL, NULL, 0);
}

static int release_registered(uint64_t freed, uint64_t want)
{
	unsigned int n = atomic_load_explicit(&nr_releasers, memory_order_acquire);
	int ran = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct releaser *x = &releasers[i];

		if (x->predict(x->arg) < shrink_mul_div(freed, SHRINK_TUN(min_yield), 100))
			continue;
		x->release(x->arg, want);
		ran = 1;
	}
	return ran;
}

static int release_allocator(uint64_t freed)
{
	uint64_t left = atomic_load_explicit(&skip, memory_order_relaxed);

	if (left) {
		atomic_store_explicit(&skip, left - 1, memory_order_relaxed);
		return 0;
	}
	if (allocator == ALLOC_GLIBC)
		return release_glibc(freed);
	return allocator == ALLOC_JEMALLOC && release_jemalloc();
}

int shrink_release_run(uint64_t freed, uint64_t want)
{
	uint64_t begin = shrink_os_clock_real(), usec;
	int ran;

	if (!SHRINK_TUN(release) || !freed)
		return 0;
	ran = release_registered(freed, want);
	ran |= release_allocator(freed);
	if (!ran)
		return 0;
	usec = (shrink_os_clock_real() - begin) / NSEC_PER_USEC;
	atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
	if (usec > atomic_load_explicit(&usec_max, memory_order_relaxed))
		atomic_store_explicit(&usec_max, usec, memory_order_relaxed);
	return 1;
}

/* After each bad yield in a row twice as many stages are left out as before. */
void shrink_release_judge(uint64_t freed, uint64_t returned)
{
	unsigned int bad;

	if (returned >= shrink_mul_div(freed, SHRINK_TUN(min_yield), 100)) {
		atomic_store_explicit(&bad_yields, 0, memory_order_relaxed);
		return;
	}
	bad = atomic_fetch_add_explicit(&bad_yields, 1, memory_order_relaxed);
	atomic_store_explicit(&skip, 1ULL << (bad < 10 ? bad : 10), memory_order_relaxed);
}

struct shrink_release_stats shrink_release_stats(void)
{
	return (struct shrink_release_stats){
		.runs = atomic_load_explicit(&runs, memory_order_relaxed),
		.usec_max = atomic_load_explicit(&usec_max, memory_order_relaxed),
	};
}
