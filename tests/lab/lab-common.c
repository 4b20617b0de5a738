// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/lab/lab.h"

/* jemalloc's name for the pseudo-arena that is all of them */
#define JEMALLOC_PURGE_ALL "arena.4096.purge"

uint64_t lab_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * LAB_NSEC + (uint64_t)now.tv_nsec;
}

void lab_sleep_nsec(uint64_t nsec)
{
	struct timespec nap = {.tv_sec = (time_t)(nsec / LAB_NSEC),
			       .tv_nsec = (long)(nsec % LAB_NSEC)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

uint64_t lab_usage(const struct lab *lab)
{
	char text[32];
	ssize_t n = pread(lab->usage_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

static void trim(void)
{
	int (*mallctl)(const char *, void *, size_t *, void *, size_t);

	*(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
	if (mallctl)
		mallctl(JEMALLOC_PURGE_ALL, NULL, NULL, NULL, 0);
	else
		malloc_trim(0);
}

void lab_give_back(struct lab *lab, uint64_t bytes)
{
	atomic_fetch_add(&lab->decisions, 1);
	store_evict(&lab->store, bytes / lab->store.object_bytes, true);
	trim();
}

int lab_thread(struct lab *lab, void *(*fn)(void *))
{
	int error = pthread_create(&lab->thread, NULL, fn, lab);

	lab->thread_runs = !error;
	return -error;
}

void lab_thread_end(struct lab *lab)
{
	lab->stop = true;
	if (lab->thread_runs)
		pthread_join(lab->thread, NULL);
	lab->thread_runs = false;
	if (lab->fd >= 0)
		close(lab->fd);
	if (lab->efd >= 0)
		close(lab->efd);
}
