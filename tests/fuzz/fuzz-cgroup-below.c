// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Where a group is, seen through a mount: the first line is the mount's root, the second
 * the group's path.
 * with: base/lines.c base/parse.c os/cgroup-find.c os/fd.c os/lines.c */
#define FUZZER cgroup_below
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/cgroup-find.h>

/* How many steps lead up, and the names behind them, of which "/" has none. */
static unsigned int split(const char *path, const char **ret_names)
{
	unsigned int up = 0;

	for (; path[0] == '/' && path[1] == '.' && path[2] == '.' &&
	       (path[3] == '/' || path[3] == '\0'); path += 3)
		up++;
	*ret_names = path[0] == '/' && !path[1] ? "" : path;
	return up;
}

/* The table in cgroup-find.h, as what must be true of each outcome. */
static void check(const char *root, const char *path)
{
	char rel[SHRINK_CGROUP_PATH], joined[2 * SHRINK_CGROUP_PATH];
	const char *root_names, *path_names;
	unsigned int root_up = split(root, &root_names), path_up = split(path, &path_names);
	unsigned int hidden = 77;
	size_t len = strlen(root_names);
	bool below = root_up == path_up && !strncmp(path_names, root_names, len) &&
		     (!path_names[len] || path_names[len] == '/');
	bool above = root_up > path_up && !len;
	int r = shrink_os_cgroup_below(root, path, rel, &hidden);

	if (r == -ENAMETOOLONG) {
		FUZZ_CHECK((below || above) && strlen(path_names) >= SHRINK_CGROUP_PATH);
		return;
	}
	FUZZ_CHECK(r == (below || above ? 0 : -ENOENT));
	if (r) {
		FUZZ_CHECK(hidden == 77);
		return;
	}
	FUZZ_CHECK(hidden == root_up - path_up && strlen(rel) < sizeof(rel));
	snprintf(joined, sizeof(joined), "%s%s", hidden ? "" : root_names, rel);
	FUZZ_CHECK(strlen(root) + strlen(rel) >= sizeof(joined) || !strcmp(joined, path_names));
}

/* Whatever the names: below "/" all is where it says; a group is its own top. */
static void check_ways(const char *path)
{
	char rel[SHRINK_CGROUP_PATH];
	const char *names;
	unsigned int hidden;

	if (*path != '/' || split(path, &names) || strlen(path) >= sizeof(rel))
		return;
	FUZZ_CHECK(!shrink_os_cgroup_below("/", path, rel, &hidden) && !hidden);
	FUZZ_CHECK(!strcmp(rel, names));
	FUZZ_CHECK(!shrink_os_cgroup_below(path, path, rel, &hidden) && !hidden && !*rel);
	FUZZ_CHECK(!shrink_os_cgroup_below("/../..", path, rel, &hidden) && hidden == 2);
	FUZZ_CHECK(shrink_os_cgroup_below("/", "/..", rel, &hidden) == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *root = fuzz_text(data, size), *end = strchr(root, '\n'), *path;

	path = fuzz_copy(end ? end + 1 : "/");
	if (end)
		*end = '\0';
	path[strcspn(path, "\n")] = '\0';
	check(root, path);
	check(path, root);
	check_ways(path);
	free(path);
	free(root);
	return 0;
}
