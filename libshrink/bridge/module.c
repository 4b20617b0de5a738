// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* bridge:module: the kernel asks our caches itself, each by its name. */
#include <libshrink/bridge/bridge.h>
#include <libshrink/bridge/mirror.h>

/* Groups are the kernel's affair: a cache is bound to ours when it is registered. */
static int module_open(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	(void)who;
	return shrink_mirror_open(reason, size);
}

static int module_moved(const struct shrink_bridge_who *who, char *reason, size_t size)
{
	(void)who;
	(void)reason;
	(void)size;
	shrink_mirror_moved();
	return 0;
}

static int module_fd(void)
{
	return shrink_mirror.fd;
}

static int module_changed_fd(void)
{
	return shrink_mirror.changed_fd;
}

static int module_take(shrink_bridge_fn fn, void *arg)
{
	(void)fn;
	(void)arg;
	return shrink_mirror_take();
}

const struct shrink_bridge_ops shrink_bridge_module = {
	.name = "module",
	.mode = SHRINK_BRIDGE_MODULE,
	.open = module_open,
	.close = shrink_mirror_close,
	.fd = module_fd,
	.take = module_take,
	.moved = module_moved,
	.changed_fd = module_changed_fd,
	.sync = shrink_mirror_sync,
	.serve = shrink_mirror_serve,
};
