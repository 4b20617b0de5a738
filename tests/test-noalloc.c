// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * G6: between an event and the last scan it causes the library neither allocates
 * nor opens nor touches memory for the first time. The program's own malloc, mmap
 * and open stand before the C library's and count who of the library's threads
 * comes by while the trap is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/cache.h"
#include "tests/harness.h"
#include "tests/tasks.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#define MB (1024UL * 1024)
#define THREADS 8

static atomic_int trap_set;
static atomic_ulong trapped;
static _Atomic(const char *) trapped_call;
static atomic_int ours[THREADS]; /* thread ids of the library */

static int is_ours(void)
{
	int tid = (int)syscall(SYS_gettid);

	for (int i = 0; i < THREADS; i++)
		if (atomic_load_explicit(&ours[i], memory_order_relaxed) == tid)
			return 1;
	return 0;
}

static void trap(const char *call)
{
	if (!atomic_load_explicit(&trap_set, memory_order_relaxed) || !is_ours())
		return;
	atomic_store(&trapped_call, call);
	atomic_fetch_add(&trapped, 1);
}

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
	trap("malloc");
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	trap("calloc");
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	trap("realloc");
	return __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	trap("aligned_alloc");
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
	trap("posix_memalign");
	*p = __libc_memalign(alignment, size);
	return *p ? 0 : ENOMEM;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	trap("mmap");
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

static int open_at(int dir, const char *path, int flags, va_list args)
{
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;

	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	trap("open");
	va_start(args, flags);
	fd = open_at(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	trap("openat");
	va_start(args, flags);
	fd = open_at(dir, path, flags, args);
	va_end(args);
	return fd;
}
#endif

/* Waits until all three threads have been born and warmed up. */
static void find_threads(void)
{
	int tids[THREADS];

	CU_ASSERT(tasks_settle(3));
	ASSERT_INT(tasks_list(tids, THREADS), 3);
	for (int i = 0; i < 3; i++)
		atomic_store(&ours[i], tids[i]);
}

static long faults_of(int tid)
{
	char path[64], text[512], *p;
	long faults = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return -1;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	p = strrchr(text, ')');
	if (p) /* state ppid pgrp session tty tpgid flags minflt */
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %ld", &faults);
	return faults;
}

/* Faults in the scan's thread when it began and at its latest scan. */
static atomic_long first_faults, last_faults;
static atomic_int scan_tid;

static unsigned long scan_counts_faults(struct cache *c, struct shrink_control *sc)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	if (!atomic_exchange(&scan_tid, (int)syscall(SYS_gettid)))
		atomic_store(&first_faults, u.ru_minflt);
	atomic_store(&last_faults, u.ru_minflt);
	return cache_scan(c, sc);
}

/* The trap must catch somebody, or it proves nothing: here, a callback. */
static unsigned long scan_allocates(struct cache *c, struct shrink_control *sc)
{
	void *volatile p = malloc(100);

	free(p);
	return cache_scan(c, sc);
}

static void new_sized(struct cache *c, const char *name)
{
	CU_ASSERT_FATAL(cache_alloc(c, 0, name, 1000000) != NULL);
	c->s->object_size = 1000;
	ASSERT_INT(shrinker_register(c->s), 0);
}

static void press(struct cache *c, uint64_t bytes)
{
	unsigned long before = atomic_load(&c->scans);

	ASSERT_INT(shrink_pressure(SHRINK_LEVEL_MEDIUM, bytes), 0);
	CU_ASSERT(wait_for(&c->scans, before + 1, 5000));
	sleep_ms(30); /* the rest of the round, and what the standby does after it */
}

static void trap_catches(void)
{
#ifdef SANITIZED
	SKIP("a sanitizer has its own malloc");
#endif
	struct cache c;

	CU_ASSERT_FATAL(shrink_start(0) == 0);
	find_threads();
	new_sized(&c, "allocates");
	c.on_scan = scan_allocates;
	atomic_store(&trapped, 0);
	atomic_store(&trap_set, 1);
	press(&c, MB);
	atomic_store(&trap_set, 0);
	CU_ASSERT(atomic_load(&trapped) > 0);
	cache_end(&c);
	ASSERT_INT(shrink_stop(), 0);
}

static void no_allocation(void)
{
#ifdef SANITIZED
	SKIP("a sanitizer has its own malloc");
#endif
	struct cache a, b;

	CU_ASSERT_FATAL(shrink_start(0) == 0);
	find_threads();
	new_sized(&a, "plain");
	new_sized(&b, "second");
	atomic_store(&trapped, 0);
	atomic_store(&trapped_call, "");
	atomic_store(&trap_set, 1);
	for (int i = 1; i <= 10; i++) /* the first round as well as the tenth */
		press(&a, (uint64_t)i * MB);
	atomic_store(&trap_set, 0);
	ASSERT_INT((long)atomic_load(&trapped), 0);
	CU_ASSERT_STRING_EQUAL(atomic_load(&trapped_call), "");
	cache_end(&a);
	cache_end(&b);
	ASSERT_INT(shrink_stop(), 0);
}

static void no_first_touch(void)
{
#ifdef SANITIZED
	SKIP("a sanitizer faults by itself");
#endif
	struct cache c;
	long before;

	CU_ASSERT_FATAL(shrink_start(0) == 0);
	find_threads();
	new_sized(&c, "faults");
	c.on_scan = scan_counts_faults;
	/* the callback's own code and data are not the library's to warm */
	shrink_slab(SHRINK_GFP_ALL, 0, NULL, 4);
	atomic_store(&scan_tid, 0);
	before = faults_of(tasks_named("shrink-worker"));
	press(&c, MB);
	ASSERT_INT(atomic_load(&scan_tid), tasks_named("shrink-worker"));
	ASSERT_INT(atomic_load(&first_faults) - before, 0);
	ASSERT_INT(atomic_load(&last_faults) - before, 0);
	cache_end(&c);
	ASSERT_INT(shrink_stop(), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"G6: the trap catches a callback that allocates", trap_catches},
		{"G6: no allocation, mapping or opening in a round", no_allocation},
		{"G6: no page fault of the worker before and in its first round", no_first_touch},
		{NULL, NULL},
	};

	return test_main(argc, argv, "noalloc", tests);
}
