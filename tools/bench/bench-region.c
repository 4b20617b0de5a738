// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Purgeable memory: what it costs to let an object go and to have it back, beside what
 * one would do without - a lock around memory that stays, and memory that is given
 * back and made anew. And the rival that was not built in: MAP_DROPPABLE (6.11), which
 * cannot be pinned, so that an object has to be copied out to be read.
 *
 * In CPU time of the thread, so that a busy machine does not count.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <shrink/shrink.h>

#include "tools/bench/bench.h"

#define PAGE   4096u
#define BYTES  ((size_t)64 << 20)
#define ROUNDS 8
#define BATCH 64 /* pages; an object as large is offered at once */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

static struct shrink_region *region;
static char **objects;
static size_t nr, size;
static uint64_t sink;

static double cpu_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void report(const char *what, double value, double baseline)
{
	bench_print(&(struct bench_figure){.bench = "region",
					   .what = what,
					   .unit = "cpu nsec",
					   .value = value,
					   .baseline = baseline});
}

static void begin(size_t object_size)
{
	size = object_size;
	nr = BYTES / size;
	objects = calloc(nr, sizeof(*objects));
	region = shrink_region_create(NULL, 0, BYTES, "bench");
	if (!region || !objects)
		bench_die("out of memory", 12);
	for (size_t i = 0; i < nr; i++) {
		objects[i] = shrink_region_alloc(region, size);
		if (!objects[i])
			bench_die("region is full", 12);
		memset(objects[i], 1, size);
	}
}

static void end(void)
{
	shrink_region_destroy(region);
	free(objects);
}

/* Of one object: let go and taken back before the batch is full. */
static double cancelled(void)
{
	const unsigned int turns = 1u << 20;
	double start = cpu_nsec();

	for (unsigned int i = 0; i < turns; i++) {
		shrink_region_unpin(region, objects[0]);
		if (shrink_region_pin(region, objects[0]))
			bench_die("purged", 5);
	}
	return (cpu_nsec() - start) / turns;
}

static double locked(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const unsigned int turns = 1u << 20;
	double start = cpu_nsec();

	for (unsigned int i = 0; i < turns; i++) {
		pthread_mutex_lock(&lock);
		sink += *(volatile unsigned char *)objects[0];
		pthread_mutex_unlock(&lock);
	}
	return (cpu_nsec() - start) / turns;
}

/* Of each object: offered to the kernel; and taken back. */
static void offered(double *ret_unpin, double *ret_pin)
{
	double start, unpin = 0, pin = 0;

	for (int round = 0; round < ROUNDS; round++) {
		start = cpu_nsec();
		for (size_t i = 0; i < nr; i++)
			shrink_region_unpin(region, objects[i]);
		shrink_region_flush(region);
		unpin += cpu_nsec() - start;
		start = cpu_nsec();
		for (size_t i = 0; i < nr; i++)
			if (shrink_region_pin(region, objects[i]))
				bench_die("purged: press less memory", 5);
		pin += cpu_nsec() - start;
	}
	*ret_unpin = unpin / (double)(ROUNDS * nr);
	*ret_pin = pin / (double)(ROUNDS * nr);
}

/* Of each object: freed explicitly, and made anew by nothing dearer than memset. */
static void remade(double *ret_free, double *ret_make)
{
	double start, drop = 0, make = 0;

	for (int round = 0; round < ROUNDS; round++) {
		start = cpu_nsec();
		for (size_t i = 0; i < nr; i++)
			madvise(objects[i], size, MADV_DONTNEED);
		drop += cpu_nsec() - start;
		start = cpu_nsec();
		for (size_t i = 0; i < nr; i++)
			memset(objects[i], 1, size);
		make += cpu_nsec() - start;
	}
	*ret_free = drop / (double)(ROUNDS * nr);
	*ret_make = make / (double)(ROUNDS * nr);
}

/* Of each object: copied out of droppable memory, and found to have been whole; -1:
 * there is none. Each page carries a word that is not zero. */
static double copied_out(void)
{
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	char *out = malloc(size);
	double start, sum = 0;

	if (p == MAP_FAILED || !out) {
		free(out);
		return -1;
	}
	madvise(p, BYTES, MADV_NOHUGEPAGE);
	memset(p, 1, BYTES);
	for (int round = 0; round < ROUNDS; round++) {
		start = cpu_nsec();
		for (size_t i = 0; i < nr; i++) {
			memcpy(out, p + i * size, size);
			for (size_t at = 0; at < size; at += PAGE)
				sink += *(volatile uint64_t *)(void *)(p + i * size + at) == 0;
			sink += (unsigned char)out[size / 2];
		}
		sum += cpu_nsec() - start;
	}
	munmap(p, BYTES);
	free(out);
	return sum / (double)(ROUNDS * nr);
}

static void one_size(size_t object_size, const char *name)
{
	double unpin, pin, drop, make, copy;
	char what[128];

	begin(object_size);
	if (size < (size_t)BATCH * PAGE) {
		snprintf(what, sizeof(what), "region, %s: unpin+pin within a batch, beside a mutex",
			 name);
		report(what, cancelled(), locked());
	}
	offered(&unpin, &pin);
	remade(&drop, &make);
	snprintf(what, sizeof(what), "region, %s: unpin, beside madvise(DONTNEED)", name);
	report(what, unpin, drop);
	snprintf(what, sizeof(what), "region, %s: pin (kept), beside touching and memset", name);
	report(what, pin, make);
	copy = copied_out();
	if (copy >= 0) {
		snprintf(what, sizeof(what),
			 "droppable, %s: copied out, beside unpin+pin of a region", name);
		report(what, copy, unpin + pin);
	}
	end();
}

int main(void)
{
	one_size(4096, "4 KiB");
	one_size(65536, "64 KiB");
	one_size((size_t)1 << 20, "1 MiB");
	return sink == 1;
}
