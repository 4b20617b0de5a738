// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cache.h"
#include "tests/tasks.h"

#define MAX 8

/* The first line of a file of this task. */
static int read_line(int tid, const char *file, char *line, int size)
{
	char path[64];
	FILE *f;
	int ok;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, file);
	f = fopen(path, "r");
	if (!f)
		return 0;
	ok = fgets(line, size, f) != NULL;
	line[ok ? strcspn(line, "\n") : 0] = '\0';
	fclose(f);
	return ok;
}

int tasks_list(int *tids, int max)
{
	DIR *dir = opendir("/proc/self/task");
	char name[32];
	int n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		int tid = atoi(e->d_name);

		if (!tid || !read_line(tid, "comm", name, sizeof(name)) ||
		    strncmp(name, "shrink-", 7))
			continue;
		if (n < max)
			tids[n] = tid;
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

int tasks_named(const char *name)
{
	int tids[MAX], n = tasks_list(tids, MAX);
	char is[32];

	for (int i = 0; i < n && i < MAX; i++)
		if (read_line(tids[i], "comm", is, sizeof(is)) && !strcmp(is, name))
			return tids[i];
	return 0;
}

static int asleep(int tid)
{
	char line[512], *state;

	if (!read_line(tid, "stat", line, sizeof(line)))
		return 0;
	state = strrchr(line, ')');
	return state && !strncmp(state, ") S ", 4);
}

static int all_asleep(int n)
{
	int tids[MAX], found = tasks_list(tids, MAX), monitor = tasks_named("shrink-monitor");

	if (found != n || n > MAX || (monitor && !asleep(monitor)))
		return 0;
	for (int i = 0; i < n; i++)
		if (!asleep(tids[i]))
			return 0;
	return 1;
}

/* Three looks in a row: one may fall between two steps of theirs. */
int tasks_settle(int n)
{
	uint64_t end = now_ms() + 60000;
	int looks = 0;

	while (looks < 3) {
		looks = all_asleep(n) ? looks + 1 : 0;
		if (now_ms() > end)
			return 0;
		sleep_ms(5);
	}
	return 1;
}
