// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include <shrink/bridge.h>
#include <shrink/conf.h>
#include <libshrink/base/bits.h>
#include <libshrink/source/bridge.h>

int shrink_bridge_select(enum shrink_bridge_mode mode)
{
	static const char *const words[] = {
		[SHRINK_BRIDGE_OFF] = "off",	   [SHRINK_BRIDGE_AUTO] = "auto",
		[SHRINK_BRIDGE_TRACE] = "trace",   [SHRINK_BRIDGE_MODULE] = "module",
		[SHRINK_BRIDGE_BPF] = "bpf",	   [SHRINK_BRIDGE_PERF] = "perf",
		[SHRINK_BRIDGE_HELPER] = "helper",
	};

	if ((unsigned int)mode >= SHRINK_ARRAY_SIZE(words))
		return -EINVAL;
	return shrink_conf_set("bridge", words[mode]);
}

int shrink_bridge_stats(struct shrink_bridge_stats *ret_stats, size_t size)
{
	struct shrink_bridge_stats st;

	if (!ret_stats || !size)
		return -EINVAL;
	shrink_bridge_gather(&st);
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &st, size < sizeof(st) ? size : sizeof(st));
	return 0;
}
