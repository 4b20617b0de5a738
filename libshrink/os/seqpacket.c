// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libshrink/os/fd.h>
#include <libshrink/os/seqpacket.h>

/* Whoever may bind the path could press our caches: not just anybody. */
static int check_peer(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	return !peer.uid || peer.uid == geteuid() ? 0 : -EOWNERDEAD;
}

int shrink_os_seqpacket_connect(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd, r = shrink_os_path(to.sun_path, sizeof(to.sun_path), path);

	if (r < 0)
		return r;
	fd = shrink_os_fd_own(
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return fd;
	do {
		r = connect(fd, (const struct sockaddr *)&to, sizeof(to));
	} while (r < 0 && errno == EINTR);
	r = r < 0 ? -errno : check_peer(fd);
	if (!r)
		return fd;
	shrink_os_close(fd);
	return r;
}

ssize_t shrink_os_seqpacket_receive(int fd, void *buf, size_t size, uint64_t wait_usec)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (wait_usec && poll(&p, 1, (int)(wait_usec / 1000)) < 0 && errno != EINTR)
		return -errno;
	do {
		n = recv(fd, buf, size, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
