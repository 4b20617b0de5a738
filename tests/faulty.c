// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/faulty.h"
#include "tests/random.h"

#define FD_MAX 1024

static const struct {
	const char *name;
	int version;  /* it is there with this controller only; 0 = always */
	bool records; /* shown record by record: a read may end behind any of them */
} files[FILES] = {
	[SELF_CGROUP] = {"/proc/self/cgroup", 0, false},
	[MOUNTINFO] = {"/proc/self/mountinfo", 0, true},
	[STATUS] = {"/proc/self/status", 0, false},
	[MEMINFO] = {"/proc/meminfo", 0, false},
	[VMSTAT] = {"/proc/vmstat", 0, true},
	[ZONEINFO] = {"/proc/zoneinfo", 0, true},
	[NODE0] = {"/sys/devices/system/node/node0/meminfo", 0, false},
	[NODE1] = {"/sys/devices/system/node/node1/meminfo", 0, false},
	[EVENTFD] = {"", 0, false},
	[PRESSURE] = {"memory.pressure", 0, false},
	[GROUP_EVENTS] = {"cgroup.events", 0, false},
	[CURRENT] = {"memory.current", 2, false},
	[MAX] = {"memory.max", 2, false},
	[HIGH] = {"memory.high", 2, false},
	[STAT] = {"memory.stat", 2, false},
	[EVENTS] = {"memory.events", 2, false},
	[PROCS] = {"cgroup.procs", 2, true},
	[SWAP_CURRENT] = {"memory.swap.current", 2, false},
	[SWAP_MAX] = {"memory.swap.max", 2, false},
	[USAGE1] = {"memory.usage_in_bytes", 1, false},
	[LIMIT1] = {"memory.limit_in_bytes", 1, false},
	[STAT1] = {"memory.stat", 1, false},
	[PROCS1] = {"cgroup.procs", 1, true},
	[MEMSW_USAGE] = {"memory.memsw.usage_in_bytes", 1, false},
	[MEMSW_LIMIT] = {"memory.memsw.limit_in_bytes", 1, false},
	[CONTROL] = {"cgroup.event_control", 1, false},
	[LEVEL1] = {"memory.pressure_level", 1, false},
	[OOM1] = {"memory.oom_control", 1, false},
};

const char *const faulty_group[GROUPS] = {"/a", "/b"};
enum fault faulty[FILES];
bool faulty_given_up[FILES];

static struct random rnd;
static int version;
static void (*compose)(enum file f, int group, char *text, size_t size);

static struct {
	bool open;
	enum file f;
	int group;
	off_t offset;
	unsigned long reads;
} table[FD_MAX];

void faulty_begin(uint64_t seed, int v,
		  void (*fn)(enum file f, int group, char *text, size_t size))
{
	rnd = random_seeded(seed);
	version = v;
	compose = fn;
	memset(faulty, 0, sizeof(faulty));
	memset(faulty_given_up, 0, sizeof(faulty_given_up));
}

static bool exists(enum file f)
{
	return !files[f].version || files[f].version == version;
}

const char *faulty_name(enum file f)
{
	return files[f].name;
}

enum file faulty_draw(void)
{
	enum file f;

	do {
		f = (enum file)random_below(&rnd, FILES);
	} while (!exists(f));
	return f;
}

static bool is_path_of(const char *path, enum file f, int group)
{
	char full[64];

	if (f < PRESSURE)
		return !strcmp(path, files[f].name);
	snprintf(full, sizeof(full), "%s%s/%s", files[f].version == 1 ? "/m" : "/u",
		 faulty_group[group], files[f].name);
	return !strcmp(path, full);
}

static bool find(const char *path, enum file *ret_file, int *ret_group)
{
	for (int f = 0; f < FILES; f++)
		for (int g = 0; g < GROUPS; g++)
			if (exists((enum file)f) && is_path_of(path, (enum file)f, g)) {
				*ret_file = (enum file)f;
				*ret_group = g;
				return true;
			}
	return false;
}

/* The errno of opening it now; 0 = it can be opened. */
static int open_error(enum file f)
{
	static const int errors[] = {ENOENT, EACCES, EIO, ENODEV, EMFILE, ENFILE, ENOMEM};

	if (faulty[f] == OPEN_EINTR)
		return random_below(&rnd, 2) ? EINTR : 0;
	if (faulty[f] < FIRST_OPEN || faulty[f] >= FIRST_READ)
		return 0;
	faulty_given_up[f] = faulty[f] == OPEN_ENOENT || faulty[f] == OPEN_EACCES;
	return errors[faulty[f] - FIRST_OPEN];
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	enum file f = FILES;
	int g = 0, fd;

	(void)flags;
	if (strcmp(path, "/u/a") && strcmp(path, "/u/b") && strcmp(path, "/m/a") &&
	    strcmp(path, "/m/b") && !find(path, &f, &g)) {
		errno = ENOENT;
		return -1;
	}
	errno = f < FILES ? open_error(f) : 0;
	if (errno)
		return -1;
	fd = __real_open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0 || fd >= FD_MAX || f == FILES)
		return fd;
	faulty_given_up[f] = false;
	table[fd].open = true;
	table[fd].f = f;
	table[fd].group = g;
	table[fd].offset = 0;
	table[fd].reads = 0;
	return fd;
}

static void lie(enum fault fault, char *text, size_t size)
{
	if (fault == EMPTY)
		text[0] = '\0';
	else if (fault == GARBAGE)
		snprintf(text, size, "\x01\xff none of \t this %%n\n\n-1\n");
	else if (fault == CUT)
		text[strlen(text) / 2] = '\0';
	else if (fault == HUGE_NUMBER)
		snprintf(text, size, "some total=99999999999999999999999\nMemTotal: "
			 "99999999999999999999999 kB\n99999999999999999999999\n");
}

/* Cut short, but not where the text could be over: only files of records end there. */
static size_t cut_short(enum file f, const char *text, size_t n, size_t left)
{
	n = n > 1 ? 1 + random_below(&rnd, n - 1) : n;
	if (!files[f].records && text[n - 1] == '\n' && n < left)
		n = n > 1 ? n - 1 : 2;
	return n;
}

static ssize_t read_at(int fd, void *buf, size_t size, off_t offset)
{
	static const int errors[] = {EIO, ENODEV, EAGAIN, ENOMEM};
	enum file f = table[fd].f;
	char text[2048] = "";
	size_t left, n;

	if (faulty[f] == READ_EINTR && table[fd].reads++ % 3) {
		errno = EINTR;
		return -1;
	}
	if (faulty[f] >= FIRST_READ && faulty[f] < FIRST_LIE) {
		errno = errors[faulty[f] - FIRST_READ];
		return -1;
	}
	compose(f, table[fd].group, text, sizeof(text));
	lie(faulty[f], text, sizeof(text));
	left = strlen(text) > (size_t)offset ? strlen(text) - (size_t)offset : 0;
	n = left < size ? left : size;
	if (n && faulty[f] == READ_SHORT && size > 2)
		n = cut_short(f, text + offset, n, left);
	memcpy(buf, text + offset, n);
	return (ssize_t)n;
}

static bool is_ours(int fd)
{
	return fd >= 0 && fd < FD_MAX && table[fd].open;
}

ssize_t __real_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset)
{
	return is_ours(fd) ? read_at(fd, buf, size, offset) : __real_pread(fd, buf, size, offset);
}

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	ssize_t n;

	if (!is_ours(fd))
		return __real_read(fd, buf, size);
	n = read_at(fd, buf, size, table[fd].offset);
	if (n > 0)
		table[fd].offset += n;
	return n;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (is_ours(fd))
		table[fd].open = false;
	return __real_close(fd);
}

/* The kernel takes a trigger, and what arms an eventfd. */
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	if (is_ours(fd) && faulty[table[fd].f] >= FIRST_READ && faulty[table[fd].f] < FIRST_LIE) {
		errno = EIO;
		return -1;
	}
	return is_ours(fd) ? (ssize_t)size : __real_write(fd, data, size);
}

int __real_eventfd(unsigned int initial, int flags);
int __wrap_eventfd(unsigned int initial, int flags);
int __wrap_eventfd(unsigned int initial, int flags)
{
	errno = open_error(EVENTFD);
	return errno ? -1 : __real_eventfd(initial, flags);
}

/* What stands for a kernel's file here cannot be waited for. */
int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	int r = __real_epoll_ctl(epoll, op, fd, event);

	return r < 0 && errno == EPERM ? 0 : r;
}
