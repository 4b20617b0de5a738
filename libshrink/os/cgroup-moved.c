// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>

#include <libshrink/os/cgroup-moved.h>
#include <libshrink/os/fd.h>

/* FNV-1a: two places in a hierarchy that have the same sum by chance do not matter. */
static uint64_t sum_of(const char *text)
{
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * 0x100000001b3ULL;
	return sum;
}

static int look(int fd, uint64_t *ret_sum)
{
	char text[4096];
	ssize_t n = fd < 0 ? -ENOENT : shrink_os_pread(fd, text, sizeof(text));

	if (n < 0)
		return (int)n;
	if (!n) /* it never is: we are in some group always */
		return -ENODATA;
	*ret_sum = sum_of(text);
	return 0;
}

void shrink_os_cgroup_where_open(struct shrink_cgroup_where *where)
{
	where->sum = 0;
	where->fd = shrink_os_open("/proc/self/cgroup", O_RDONLY);
	look(where->fd, &where->sum);
}

void shrink_os_cgroup_where_close(struct shrink_cgroup_where *where)
{
	shrink_os_close(where->fd);
	where->fd = -1;
}

int shrink_os_cgroup_moved(struct shrink_cgroup_where *where)
{
	uint64_t sum;
	int r = look(where->fd, &sum);

	if (r < 0 || sum == where->sum)
		return r;
	where->sum = sum;
	return 1;
}
