// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/log.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/cgroup-find.h>
#include <libshrink/os/cgroup-opinion.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/fd.h>

static const struct level_files {
	const char *usage, *limit, *high;
} level_files[] = {
	{"memory.usage_in_bytes", "memory.limit_in_bytes", NULL},
	{"memory.current", "memory.max", "memory.high"},
};

static int open_in(const char *dir, const char *name)
{
	char path[SHRINK_CGROUP_PATH + 32];

	if (!name)
		return -1;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return shrink_os_open_warm(path);
}

static void close_level(struct shrink_cgroup_level *level)
{
	shrink_os_close(level->usage_fd);
	shrink_os_close(level->limit_fd);
	shrink_os_close(level->high_fd);
	shrink_os_close(level->stat_fd);
}

/* A file that is hidden, or that this kernel does not have, is as it is. With any other
 * error - no descriptor was left - it would look so, and stay so. 0, or that error. */
static int passing(int fd)
{
	return fd >= 0 || fd == -ENOENT || fd == -EACCES || fd == -EPERM ? 0 : fd;
}

/* A group without a usage file has no memory controller (v2: the parent does not
 * hand it down; the top of all). Its ancestors may have one. */
static int open_level(struct shrink_cgroup_level *level, const char *dir, int version)
{
	const struct level_files *files = &level_files[version - 1];
	int fd = open_in(dir, files->usage), passes;

	if (fd < 0)
		return fd;
	strcpy(level->dir, dir);
	level->usage_fd = fd;
	level->limit_fd = open_in(dir, files->limit);
	level->high_fd = open_in(dir, files->high);
	level->stat_fd = open_in(dir, "memory.stat");
	level->limit_last = level->high_last = UINT64_MAX;
	passes = passing(level->limit_fd);
	passes = passes ? passes : passing(files->high ? level->high_fd : 0);
	passes = passes ? passes : passing(level->stat_fd);
	if (passes)
		close_level(level);
	return passes;
}

/* The table is full: a level without a limit, other than our own, makes room,
 * since it has the least to say. */
static int make_room(struct shrink_cgroup *cg)
{
	for (int i = cg->nr_levels - 1; i > 0; i--) {
		if (shrink_os_cgroup_level_limit(&cg->level[i]) != UINT64_MAX)
			continue;
		close_level(&cg->level[i]);
		cg->nr_levels--;
		memmove(&cg->level[i], &cg->level[i + 1],
			(size_t)(cg->nr_levels - i) * sizeof(cg->level[0]));
		return 0;
	}
	return -ENOSPC;
}

/* v1 before 5.11: where an ancestor's use_hierarchy is 0, it and all above it do
 * not limit us. */
static int limits_children(const char *dir, int version)
{
	uint64_t on = 1;
	int fd;

	if (version != 1)
		return 1;
	fd = open_in(dir, "memory.use_hierarchy");
	if (fd >= 0)
		shrink_os_pread_u64(fd, &on);
	shrink_os_close(fd);
	return on != 0;
}

/* Cuts @dir to its parent; -ENOENT at the mount point, or where the parent has no
 * say over it. */
static int go_up(char *dir, size_t top, int version)
{
	if (strlen(dir) <= top)
		return -ENOENT;
	*strrchr(dir, '/') = '\0';
	return limits_children(dir, version) ? 0 : -ENOENT;
}

/* From our own group up to the mount point. 0, or the error that left a group out which
 * may limit us. */
static int open_levels(struct shrink_cgroup *cg, const struct shrink_cgroup_place *place,
			int version)
{
	char dir[SHRINK_CGROUP_PATH];
	int left_out = 0, r;

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", place->mount, place->rel) >= sizeof(dir))
		return 0;
	do {
		if (cg->nr_levels == SHRINK_CGROUP_LEVELS) {
			left_out++;
			if (make_room(cg) < 0)
				continue;
		}
		r = open_level(&cg->level[cg->nr_levels], dir, version);
		if (passing(r))
			return r;
		cg->nr_levels += !r;
	} while (!go_up(dir, strlen(place->mount), version));
	if (left_out)
		snprintf(cg->reason, sizeof(cg->reason), "%d of the groups above are not watched",
			 left_out);
	else if (!place->own)
		snprintf(cg->reason, sizeof(cg->reason),
			 "own group is hidden by its namespace, an ancestor is watched");
	return 0;
}

/* The group's PSI and events; a stranger's folder would be worse than none. */
static void unified_dir(struct shrink_cgroup *cg, const struct shrink_cgroup_place *place)
{
	if (!place->found || !place->own)
		return;
	if ((size_t)snprintf(cg->unified, sizeof(cg->unified), "%s%s", place->mount, place->rel) >=
	    sizeof(cg->unified))
		cg->unified[0] = '\0';
}

static int none(struct shrink_cgroup *cg, const char *why)
{
	snprintf(cg->reason, sizeof(cg->reason), "%s", why);
	return -ENODEV;
}

int shrink_os_cgroup_open(struct shrink_cgroup *cg)
{
	struct shrink_cgroup_places places;
	int r;

	memset(cg, 0, sizeof(*cg));
	r = shrink_os_cgroup_find(&places);
	if (r < 0)
		return none(cg, r == -ENOENT ? "no /proc/self/cgroup or mountinfo"
					     : "/proc/self/cgroup or mountinfo cannot be read");
	unified_dir(cg, &places.v2);
	if (places.memory_on_v1 && places.v1.found)
		r = open_levels(cg, &places.v1, 1);
	cg->version = cg->nr_levels ? 1 : 0;
	/* The v1 line is also there while the controller is switched off */
	if (!r && !cg->version && places.v2.found)
		r = open_levels(cg, &places.v2, 2);
	if (!cg->version && cg->nr_levels)
		cg->version = 2;
	if (r < 0) {
		shrink_os_cgroup_close(cg);
		return none(cg, "the memory group's files cannot be opened now");
	}
	if (!cg->version)
		return none(cg, places.memory_on_v1 ? "the v1 memory controller is not mounted here"
				: places.v2.found ? "no memory controller in this cgroup2 group"
						  : "no cgroup mount shows this process's group");
	shrink_os_cgroup_second_opinion(cg);
	return 0;
}

void shrink_os_cgroup_close(struct shrink_cgroup *cg)
{
	if (!cg)
		return;
	for (int i = 0; i < cg->nr_levels; i++)
		close_level(&cg->level[i]);
	cg->nr_levels = 0;
	cg->version = 0;
}

int shrink_os_cgroup_open_dir(const char *dir, struct shrink_cgroup_level **ret_level)
{
	struct shrink_cgroup_level *level;
	int r = -ENOENT;

	if (strlen(dir) >= sizeof(level->dir))
		return -ENAMETOOLONG;
	level = shrink_os_alloc(sizeof(*level));
	if (!level)
		return -ENOMEM;
	for (int version = 2; version >= 1 && r < 0; version--)
		r = open_level(level, dir, version);
	if (r < 0) {
		shrink_os_free(level);
		return r;
	}
	*ret_level = level;
	return 0;
}

void shrink_os_cgroup_close_dir(struct shrink_cgroup_level *level)
{
	if (!level)
		return;
	close_level(level);
	shrink_os_free(level);
}
