/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The kernel bridge: how the kernel's own reclaim of this process is followed, which of
 * the means is at work, and what has come through it. docs/kernel-bridge.md says what each
 * means, needs and costs; <shrink/region.h> is the other half, memory the kernel may take
 * by itself.
 *
 * It is off unless asked for: by shrink_bridge_select(), by shrink_conf_set("bridge", ...)
 * or by the administrator's LIBSHRINK_CONF=bridge:auto, which is stronger than both.
 */
#ifndef SHRINK_BRIDGE_H
#define SHRINK_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#include <shrink/attr.h>

SHRINK_BEGIN_DECLS

/** What is permitted; the words of the key "bridge" in the same order. Where there is more
 *  than one, they are tried in the order module, bpf, helper, perf. */
enum shrink_bridge_mode {
	SHRINK_BRIDGE_OFF = 0,
	SHRINK_BRIDGE_AUTO = 1,	  /**< the best there is */
	SHRINK_BRIDGE_TRACE = 2,  /**< the best that follows tracepoints: not the module */
	SHRINK_BRIDGE_MODULE = 3, /**< caches as shrinkers of the kernel, by /dev/shrink */
	SHRINK_BRIDGE_BPF = 4,	  /**< programs in the kernel: CAP_BPF and CAP_PERFMON */
	SHRINK_BRIDGE_PERF = 5,	  /**< records of tracepoints: CAP_PERFMON and tracefs */
	SHRINK_BRIDGE_HELPER = 6  /**< told by shrink-bridged(8): no privilege */
};

/**
 * shrink_bridge_select() - asks for the bridge, or for none
 *
 * Takes effect with the next shrink_start(). That a mode cannot be had is no error here:
 * shrink_bridge_stats() says why, once started, and the other sources go on.
 *
 * Any thread. Return: 0; -EINVAL: no such mode; -EPERM: LIBSHRINK_CONF has decided it.
 */
int shrink_bridge_select(enum shrink_bridge_mode mode);

/** What the bridge is, and has done since the process began. Fields are appended only. */
struct shrink_bridge_stats {
	char means[16];	  /**< "module", "bpf", "helper", "perf"; "" = none is live */
	char reason[480]; /**< why not each of the better ones, or what this one lacks */
	/** what the kernel did to us, as it was told: slices of our group or the machine,
	 *  the lowest priority per group, node and millisecond */
	uint64_t reclaims;
	uint64_t drops;	 /**< the same, by drop_caches */
	uint64_t hints;	 /**< that reclaim begins, by a task of ours or kswapd */
	uint64_t folded; /**< slices that were not told: the same, no harder */
	uint64_t lost;	 /**< told by nobody: no room, a reader that was too slow */
	uint64_t asked;	 /**< passes over the caches that came of it */
	uint64_t served; /**< no pass: another source had caused one as hard since */
	/** from the kernel's own time of an event to when our monitor has it */
	uint64_t latency_median_nsec; /**< within a quarter; 0 = no event yet */
	uint64_t latency_max_nsec;
};

/**
 * shrink_bridge_stats() - state and counters of the bridge
 * @size: its sizeof as the caller knows it
 *
 * Any thread. Return: 0, also where no bridge is live; -EINVAL: NULL, or size 0.
 */
int shrink_bridge_stats(struct shrink_bridge_stats *ret_stats, size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_BRIDGE_H */
