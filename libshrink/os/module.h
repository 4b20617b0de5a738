/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The calls of /dev/shrink, as <shrink/bridge-abi.h> describes them: one session of this
 * process. What they mean is the business of libshrink/bridge/mirror.h. Tests put a twin
 * of the kernel's side in place of each of them (tests/module-twin.h).
 */
#ifndef SHRINK_OS_MODULE_H
#define SHRINK_OS_MODULE_H

#include <stddef.h>

#include <shrink/bridge-abi.h>

/* A descriptor, readable while there are requests; never blocks. -ENOENT: no module, or no
 * device; -EACCES; -EPROTO: the module speaks another version of the interface. */
int shrink_os_module_open(void);
void shrink_os_module_close(int fd);

/* A shrinker of the kernel's, with its index in @reg. May wait for reclaim that is under
 * way. 0; -ENOSPC: this session's are used up; -EDQUOT: this user's; -ENOMEM, -EPERM. */
int shrink_os_module_register(int fd, struct shrink_bridge_register *reg);
void shrink_os_module_unregister(int fd, unsigned int index);

/* The counts, shared with the kernel, or NULL with errno set. Not there in the child of a
 * fork. */
struct shrink_bridge_page *shrink_os_module_map(int fd, unsigned int index);
void shrink_os_module_unmap(struct shrink_bridge_page *page);

/* The cache is asked for the memory group of this process, at a node: @nid, if this thread
 * may run there; it is back where it was afterwards. Returns the node, which is another
 * where that one has no processor or no memory; or a negative errno. */
int shrink_os_module_bind(int fd, unsigned int index, int nid);

/* Takes up to @max requests; how many, 0 if there are none, or a negative errno. */
int shrink_os_module_read(int fd, struct shrink_bridge_request *ret_requests, int max);
/* Answers one. 0; -ESTALE: that is not the number of the request that is out; -ENOENT: the
 * cache has gone. */
int shrink_os_module_answer(int fd, const struct shrink_bridge_result *result);

#endif /* SHRINK_OS_MODULE_H */
