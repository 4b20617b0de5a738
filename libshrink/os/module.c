// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/module.h>
#include <libshrink/os/numa.h>

int shrink_os_module_open(void)
{
	int fd = shrink_os_open("/dev/shrink", O_RDWR | O_NONBLOCK);
	__u32 version = 0;

	if (fd < 0)
		return fd;
	/* another device of that name, or a module from before there were versions */
	if (ioctl(fd, SHRINK_BRIDGE_VERSION, &version) < 0 || version != SHRINK_BRIDGE_ABI) {
		shrink_os_close(fd);
		return -EPROTO;
	}
	return fd;
}

void shrink_os_module_close(int fd)
{
	shrink_os_close(fd);
}

int shrink_os_module_register(int fd, struct shrink_bridge_register *reg)
{
	return ioctl(fd, SHRINK_BRIDGE_REGISTER, reg) < 0 ? -errno : 0;
}

void shrink_os_module_unregister(int fd, unsigned int index)
{
	(void)ioctl(fd, SHRINK_BRIDGE_UNREGISTER, (unsigned long)index);
}

struct shrink_bridge_page *shrink_os_module_map(int fd, unsigned int index)
{
	size_t size = shrink_os_page_size();
	void *page;

	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(index * size));

	return page == MAP_FAILED ? NULL : page;
}

void shrink_os_module_unmap(struct shrink_bridge_page *page)
{
	if (page)
		munmap(page, shrink_os_page_size());
}

int shrink_os_module_bind(int fd, unsigned int index, int nid)
{
	struct shrink_bridge_bind bind = {.index = index};
	cpu_set_t before;
	/* who could not be put back is not moved */
	int moved = sched_getaffinity(0, sizeof(before), &before) == 0 &&
		    shrink_os_numa_run_on(nid) == 0;
	int r = ioctl(fd, SHRINK_BRIDGE_BIND, &bind) < 0 ? -errno : (int)bind.ret_nid;

	if (moved)
		(void)sched_setaffinity(0, sizeof(before), &before);
	return r;
}

int shrink_os_module_read(int fd, struct shrink_bridge_request *ret_requests, int max)
{
	ssize_t n = read(fd, ret_requests, (size_t)max * sizeof(*ret_requests));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return (int)((size_t)n / sizeof(*ret_requests));
}

int shrink_os_module_answer(int fd, const struct shrink_bridge_result *result)
{
	return write(fd, result, sizeof(*result)) < 0 ? -errno : 0;
}
