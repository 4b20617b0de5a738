// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/cgroup-find.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>

/* Groups looked into for a name the namespace hides: at start only. */
#define SEARCH_MAX 1024

struct finder {
	char path1[SHRINK_CGROUP_PATH], path2[SHRINK_CGROUP_PATH]; /* "" = none */
	struct shrink_cgroup_places *places;
};

static int has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return 1;
	return 0;
}

int shrink_os_cgroup_line(char *line, const char **ret_path)
{
	char *list = strchr(line, ':');
	char *path = list ? strchr(list + 1, ':') : NULL;
	int version;

	if (!path || path[1] != '/' || strlen(path + 1) >= SHRINK_CGROUP_PATH)
		return 0;
	*path++ = '\0';
	list++;
	if (has_word(list, "memory"))
		version = 1;
	else if (!*list && !strncmp(line, "0:", 2))
		version = 2;
	else
		return 0;
	*ret_path = path;
	return version;
}

static int own_path(void *arg, char *line)
{
	struct finder *f = arg;
	const char *path;
	int version = shrink_os_cgroup_line(line, &path);

	if (version)
		strcpy(version == 1 ? f->path1 : f->path2, path);
	return 0;
}

void shrink_os_cgroup_unescape(char *text)
{
	const char *in = text;

	while (*in) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*text++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			*text++ = *in++;
		}
	}
	*text = '\0';
}

/* Skips the leading "/.." steps; the names that follow, "" or "/a/b". */
static const char *names(const char *path, unsigned int *ret_up)
{
	unsigned int up = 0;

	while (!strncmp(path, "/..", 3) && (path[3] == '/' || !path[3])) {
		path += 3;
		up++;
	}
	*ret_up = up;
	return !strcmp(path, "/") ? "" : path;
}

int shrink_os_cgroup_below(const char *root, const char *path, char *rel, unsigned int *ret_hidden)
{
	unsigned int root_up, path_up;
	const char *root_names = names(root, &root_up);
	const char *path_names = names(path, &path_up);
	size_t len = strlen(root_names);

	if (root_up < path_up || (root_up > path_up && len))
		return -ENOENT;
	if (root_up == path_up) {
		if (strncmp(path_names, root_names, len) ||
		    (path_names[len] && path_names[len] != '/'))
			return -ENOENT;
		path_names += len;
	}
	if (strlen(path_names) >= SHRINK_CGROUP_PATH)
		return -ENAMETOOLONG;
	strcpy(rel, path_names);
	*ret_hidden = root_up - path_up;
	return 0;
}

static int is_our_pid(void *arg, char *line)
{
	const char *p = line;
	uint64_t pid;

	(void)arg;
	return !shrink_parse_u64(&p, &pid) && pid == (uint64_t)getpid();
}

static int holds_us(const char *dir, const char *tail)
{
	char file[SHRINK_CGROUP_PATH + 16];
	int n = snprintf(file, sizeof(file), "%s%s/cgroup.procs", dir, tail);

	return (size_t)n < sizeof(file) && shrink_os_lines(file, is_our_pid, NULL) == 1;
}

/* Looks for the group that lists this process: @hidden unknown names below @dir,
 * then @tail. The names found are appended to @dir. */
static int search(char *dir, unsigned int hidden, const char *tail, int *budget)
{
	size_t len = strlen(dir);
	char full[SHRINK_CGROUP_PATH + 256];
	struct dirent *entry;
	int found = 0;
	DIR *d;

	if (!hidden)
		return holds_us(dir, tail);
	if (shrink_os_path(full, sizeof(full), dir) < 0)
		return 0;
	d = opendir(full);
	while (d && !found && *budget > 0 && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		if (len + 1 + strlen(entry->d_name) >= SHRINK_CGROUP_PATH)
			continue;
		--*budget;
		sprintf(dir + len, "/%s", entry->d_name);
		found = search(dir, hidden - 1, tail, budget);
		if (!found)
			dir[len] = '\0';
	}
	if (d)
		closedir(d);
	return found;
}

/* Puts the hidden names in front of place->rel; where they cannot be found, the
 * mount point itself is an ancestor of ours, and its limit holds. */
static void unhide(struct shrink_cgroup_place *place, unsigned int hidden)
{
	char dir[SHRINK_CGROUP_PATH], rel[SHRINK_CGROUP_PATH];
	size_t mount_len = strlen(place->mount);
	int budget = SEARCH_MAX;

	strcpy(dir, place->mount);
	strcpy(rel, place->rel);
	place->own = search(dir, hidden, rel, &budget);
	place->rel[0] = '\0';
	if (place->own) /* search() saw to it that both fit */
		snprintf(place->rel, sizeof(place->rel), "%s%s", dir + mount_len, rel);
}

static int exists(const char *mount, const char *rel)
{
	char path[2 * SHRINK_CGROUP_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s%s", mount, rel);
	fd = shrink_os_open(path, O_RDONLY | O_DIRECTORY);
	shrink_os_close(fd);
	return fd >= 0;
}

/* Takes this mount for the hierarchy if it shows more of the way up to the top
 * than the one found before. */
static void consider(struct shrink_cgroup_place *place, const char *path, const char *root,
		     const char *mount)
{
	struct shrink_cgroup_place here = {.found = 1, .own = 1};
	unsigned int hidden;

	if (!*path || strlen(mount) >= sizeof(here.mount) ||
	    shrink_os_cgroup_below(root, path, here.rel, &hidden) < 0)
		return;
	strcpy(here.mount, strcmp(mount, "/") ? mount : "");
	if (hidden)
		unhide(&here, hidden);
	if (!exists(here.mount, here.rel))
		return; /* mounted over, or the group is gone */
	if (!place->found || here.own > place->own ||
	    (here.own == place->own && strlen(here.rel) > strlen(place->rel)))
		*place = here;
}

/* The first @nr fields of @text; false: it has fewer. */
static bool cut(char *text, char **ret_field, int nr)
{
	char *save = NULL;

	for (int i = 0; i < nr; i++, text = NULL)
		if (!(ret_field[i] = strtok_r(text, " ", &save)))
			return false;
	return true;
}

int shrink_os_mount_line(char *line, const char **ret_root, const char **ret_mount)
{
	char *separator = strstr(line, " - "), *field[5], *rest[3];
	int version;

	if (!separator)
		return 0;
	*separator = '\0';
	if (!cut(line, field, 5) || !cut(separator + 3, rest, 3))
		return 0;
	if (!strcmp(rest[0], "cgroup2"))
		version = 2;
	else if (!strcmp(rest[0], "cgroup") && has_word(rest[2], "memory"))
		version = 1;
	else
		return 0;
	shrink_os_cgroup_unescape(field[3]);
	shrink_os_cgroup_unescape(field[4]);
	*ret_root = field[3];
	*ret_mount = field[4];
	return version;
}

static int consider_mount(void *arg, char *line)
{
	struct finder *f = arg;
	const char *root, *mount;
	int version = shrink_os_mount_line(line, &root, &mount);

	if (version == 1)
		consider(&f->places->v1, f->path1, root, mount);
	else if (version == 2)
		consider(&f->places->v2, f->path2, root, mount);
	return 0;
}

int shrink_os_cgroup_find(struct shrink_cgroup_places *ret_places)
{
	struct shrink_cgroup_places places = {0};
	struct finder f = {.places = &places};
	int r = shrink_os_lines("/proc/self/cgroup", own_path, &f);

	if (r < 0)
		return r;
	r = shrink_os_lines("/proc/self/mountinfo", consider_mount, &f);
	if (r < 0)
		return r;
	places.memory_on_v1 = f.path1[0] != '\0';
	*ret_places = places;
	return 0;
}
