// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libshrink/os/fd.h>
#include <libshrink/os/tracefs.h>

/* Newer than the C library's headers; the same numbers on every machine. */
#ifndef SYS_fsopen
#define SYS_fsopen   430
#define SYS_fsconfig 431
#define SYS_fsmount  432
#endif
#define FS_OPEN_CLOEXEC	   0x1u
#define FS_CONFIG_CREATE   6u
#define FS_MOUNT_CLOEXEC   0x1u
#define FS_MOUNT_ATTR_ONLY 0x1u /* read-only */

static const char *const mounts[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

/* An empty folder is there also where nothing is mounted on it. */
static int open_mounted(const char *dir)
{
	int fd = shrink_os_open(dir, O_RDONLY | O_DIRECTORY), saved;

	if (fd < 0 || !faccessat(fd, "events", R_OK | X_OK, AT_EACCESS))
		return fd;
	saved = errno;
	shrink_os_close(fd);
	return -saved;
}

static int mount_privately(void)
{
	int fs = (int)syscall(SYS_fsopen, "tracefs", FS_OPEN_CLOEXEC), fd;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FS_CONFIG_CREATE, NULL, NULL, 0) < 0)
		fd = -errno;
	else
		fd = shrink_os_fd_own(
			(int)syscall(SYS_fsmount, fs, FS_MOUNT_CLOEXEC, FS_MOUNT_ATTR_ONLY));
	close(fs);
	return fd;
}

int shrink_os_tracefs_open(void)
{
	char root[256];
	int fd = -ENOENT, r;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		r = open_mounted(mounts[i]);
		if (r >= 0)
			return r;
		if (r == -EACCES || r == -EPERM)
			fd = r;
	}
	/* a test's system has what it has */
	if (fd != -ENOENT || shrink_os_path(root, sizeof(root), "") < 0 || *root)
		return fd;
	r = mount_privately();
	return r == -ENODEV || r == -ENOSYS ? -ENOENT : r;
}

ssize_t shrink_os_tracefs_read(int tracefs, const char *path, char *buf, size_t size)
{
	int fd = openat(tracefs, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n && have < size - 1) {
		n = read(fd, buf + have, size - 1 - have);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			have += (size_t)n;
	}
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[have] = '\0';
	return (ssize_t)have;
}
