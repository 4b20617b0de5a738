/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The kernel's slices as its own trace tells them, with nothing of the library's: a
 * tracefs instance, removed after use, with mm_shrink_slab_start of one process.
 */
#ifndef TESTS_SLAB_TRACE_H
#define TESTS_SLAB_TRACE_H

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct slab_trace {
	char dir[128]; /* "" = there is none */
};

static inline bool slab_trace_write(const struct slab_trace *t, const char *file, const char *text)
{
	char path[256];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", t->dir, file);
	f = fopen(path, "we");
	if (!f)
		return false;
	ok = fputs(text, f) >= 0;
	return !fclose(f) && ok;
}

static inline void slab_trace_end(struct slab_trace *t)
{
	if (!t->dir[0])
		return;
	slab_trace_write(t, "events/vmscan/mm_shrink_slab_start/enable", "0");
	rmdir(t->dir);
	t->dir[0] = '\0';
}

/* Where nobody has mounted it, this process does, for itself alone. */
static inline void slab_trace_mount(void)
{
	if (!access("/sys/kernel/tracing/instances", F_OK) || unshare(CLONE_NEWNS) < 0)
		return;
	if (!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		(void)mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
}

/* False: no tracefs here, or it cannot be written. */
static inline bool slab_trace_begin(struct slab_trace *t, int pid)
{
	char filter[64];

	slab_trace_mount();
	snprintf(t->dir, sizeof(t->dir), "/sys/kernel/tracing/instances/libshrink-%d", pid);
	snprintf(filter, sizeof(filter), "common_pid == %d", pid);
	if (mkdir(t->dir, 0700) < 0) {
		t->dir[0] = '\0';
		return false;
	}
	if (slab_trace_write(t, "trace_clock", "mono") &&
	    slab_trace_write(t, "events/vmscan/mm_shrink_slab_start/filter", filter) &&
	    slab_trace_write(t, "events/vmscan/mm_shrink_slab_start/enable", "1"))
		return true;
	slab_trace_end(t);
	return false;
}

/* How often each priority was asked, into @ret_seen[13]; in all. */
static inline int slab_trace_read(const struct slab_trace *t, unsigned int *ret_seen)
{
	char path[256], line[1024];
	int n = 0, priority;
	FILE *f;

	memset(ret_seen, 0, 13 * sizeof(*ret_seen));
	snprintf(path, sizeof(path), "%s/trace", t->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, " priority ");

		if (!at || sscanf(at, " priority %d", &priority) != 1 || priority < 0 ||
		    priority > 12)
			continue;
		ret_seen[priority]++;
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

#endif /* TESTS_SLAB_TRACE_H */
