// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The other process of a test: takes memory, or reads a file over and over. To be
 * executed, since a forked child would share the test's pages.
 *
 *	eater anon BYTES MSEC	touch so much, hold it for MSEC, end
 *	eater read FILE MSEC	read the file from one end to the other for MSEC
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_msec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int eat(size_t bytes, unsigned int msec)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	memset(p, 1, bytes);
	usleep(msec * 1000);
	return 0;
}

static int reread(const char *path, unsigned int msec)
{
	uint64_t end = now_msec() + msec;
	static char buf[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 1;
	/* what is cached already is charged to whoever read it first */
	fdatasync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	while (now_msec() < end) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0)
			return 1;
		if (!n)
			lseek(fd, 0, SEEK_SET);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	if (!strcmp(argv[1], "anon"))
		return eat(strtoull(argv[2], NULL, 0), (unsigned int)atoi(argv[3]));
	return reread(argv[2], (unsigned int)atoi(argv[3]));
}
