/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The one table of tunables. The parser of LIBSHRINK_CONF, the API's getters and
 * setters, their range checks and the manual page are all made from it.
 *
 * SHRINK_NUM(name, unit, default, min, max, when, help)
 *   unit: "" a number, "bytes" (takes K, M, G, T), "usec", "msec", "percent"
 * SHRINK_WORD(name, words, default index, when, help)
 *   words parted by '|'; the value is the word's index
 * SHRINK_TEXT(name, size, when, help)
 *   default ""; size includes the final NUL
 * when: NOW takes effect with the next look, START with the next shrink_start()
 */
#ifndef SHRINK_BASE_TUNABLES_H
#define SHRINK_BASE_TUNABLES_H

#define SHRINK_TUNABLES(SHRINK_NUM, SHRINK_WORD, SHRINK_TEXT)                                      \
	SHRINK_WORD(arith, "linux-5.13|linux-5.0", 0, NOW,                                         \
		    "arithmetic of a slice: current kernels, or 4.16 to 5.12")                     \
	SHRINK_WORD(strict, "false|true", 0, START,                                                \
		    "true: a configuration error, or no live source, makes shrink_start() fail")   \
	SHRINK_WORD(off, "false|true", 0, START,                                                   \
		    "true: shrink_start() does nothing, every shrinker stays passive; the bare "   \
		    "word off means off:true")                                                     \
	SHRINK_NUM(log, "", 6, 0, 7, NOW,                                                          \
		   "lines up to this syslog level are logged: 3 errors, 4 warnings, 6 notes, 7 "   \
		   "all")                                                                          \
	SHRINK_NUM(nodes, "", 0, 0, 64, START,                                                     \
		   "number of memory nodes to assume; 0 = ask the system")                         \
	SHRINK_WORD(node_workers, "off|auto", 1, START,                                            \
		    "auto: a worker for each memory node where there are two or more")             \
	SHRINK_NUM(priority, "", 12, 0, 12, NOW,                                                   \
		   "priority a pass starts at where only stall is known, not bytes")               \
	SHRINK_NUM(low_percent, "percent", 2, 0, 50, NOW,                                          \
		   "low watermark of free headroom, of the limit, where low_bytes is 0")           \
	SHRINK_NUM(low_bytes, "bytes", 0, 0, 1ULL << 50, NOW,                                      \
		   "low watermark of free headroom; 0 = low_percent and the worst slope seen")     \
	SHRINK_NUM(high_bytes, "bytes", 0, 0, 1ULL << 50, NOW,                                     \
		   "headroom at which reclaim stops; 0 = above low by half of it")                 \
	SHRINK_NUM(slope_horizon, "usec", 10000, 0, 1000000, NOW,                                  \
		   "low covers the worst growth seen for so long")                                 \
	SHRINK_NUM(sample_min, "usec", 2000, 200, 1000000, NOW,                                    \
		   "shortest sampling period, near the edge")                                      \
	SHRINK_NUM(sample_max, "usec", 500000, 1000, 60000000, NOW,                                \
		   "longest sampling period, far from it")                                         \
	SHRINK_NUM(rss_budget, "bytes", 0, 0, 1ULL << 50, NOW,                                     \
		   "what this process may keep resident (anonymous and shared); 0 = no budget")    \
	SHRINK_NUM(min_yield, "percent", 50, 0, 100, NOW,                                          \
		   "a round that returns less of what it freed stops evicting: fragmented")        \
	SHRINK_WORD(release, "off|auto", 1, NOW,                                                   \
		    "release stage: make the allocator hand freed pages back after scans")         \
	SHRINK_NUM(release_stall, "usec", 20000, 0, 10000000, NOW,                                 \
		   "longest stall of malloc that a trim may be expected to cause")                 \
	SHRINK_WORD(proactive, "off|on", 0, NOW,                                                   \
		    "on: with memory to spare, ask caches for a little again and again, as "       \
		    "long as nobody misses it")                                                    \
	SHRINK_NUM(proactive_period, "msec", 6000, 100, 3600000, NOW,                              \
		   "period of proactive mode: at most 1 % of the usage is asked for in it")        \
	SHRINK_NUM(proactive_stall, "usec", 10000, 0, 1000000000, NOW,                             \
		   "stall of the own group in a period at which proactive mode asks for nothing")  \
	SHRINK_NUM(proactive_refaults, "", 1000, 0, 1000000000, NOW,                               \
		   "evicted keys that come back in a period at which it asks for nothing")         \
	SHRINK_NUM(direct_wait, "msec", 100, 0, 10000, NOW,                                        \
		   "shrink_reclaim() waits so long for what others already free")                  \
	SHRINK_NUM(holdoff, "msec", 500, 0, 60000, NOW,                                            \
		   "growth stays held for so long after pressure has ended")                       \
	SHRINK_NUM(regrow, "percent", 10, 1, 100, NOW,                                             \
		   "room handed out per second after a hold, of the limit")                        \
	SHRINK_NUM(pressure_hold, "msec", 5000, 1, 3600000, NOW,                                   \
		   "a shrink_pressure() notice that is not taken back expires after this")         \
	SHRINK_NUM(overrun, "msec", 200, 1, 3600000, NOW,                                          \
		   "a callback that runs longer loses its worker: the standby goes on")            \
	SHRINK_NUM(scan_budget, "usec", 50000, 1, 3600000000, NOW,                                 \
		   "a scan of one batch that takes longer counts as slow; at the third the "       \
		   "shrinker's name is logged, once")                                              \
	SHRINK_NUM(stop_wait, "msec", 5000, 0, 3600000, NOW,                                       \
		   "shrink_stop() gives up threads stuck in a callback after this")                \
	SHRINK_NUM(fork_wait, "msec", 1000, 0, 3600000, NOW,                                       \
		   "fork() waits so long for running callbacks")                                   \
	SHRINK_NUM(owner_deadline, "msec", 100, 1, 3600000, NOW,                                   \
		   "an owner's unanswered request returns to deferred work after this")            \
	SHRINK_NUM(zero_scans, "", 1024, 1, 1000000000, NOW,                                       \
		   "scans in a row that free nothing and look at nothing before a slice ends")     \
	SHRINK_NUM(object_guess, "bytes", 512, 1, 1ULL << 30, NOW,                                 \
		   "object size assumed where none is given and none learned yet")                 \
	SHRINK_WORD(usage, "off|on", 1, START,                                                     \
		    "source: usage against the tightest limit of own group and ancestors")         \
	SHRINK_WORD(peers, "off|on", 1, START,                                                     \
		    "share the pressure of a memory group with its other processes that use "      \
		    "libshrink")                                                                   \
	SHRINK_WORD(thresholds, "off|on", 1, START,                                                \
		    "source: cgroup v1 usage-threshold eventfds")                                  \
	SHRINK_WORD(events, "off|on", 1, START, "source: cgroup v2 memory.events")                 \
	SHRINK_WORD(psi, "off|on", 1, START, "source: pressure stall information, own group")      \
	SHRINK_NUM(psi_stall, "usec", 100000, 1000, 10000000, START,                               \
		   "stall within psi_window that counts as pressure")                              \
	SHRINK_NUM(psi_window, "usec", 1000000, 50000, 10000000, START,                            \
		   "window of psi_stall; the trigger's is 2 s or a multiple without privilege")    \
	SHRINK_TEXT(psi_triggers, 256, START,                                                      \
		    "thresholds in place of psi_stall, in the kernel's notation with a level: "    \
		    "\"some 70000 1000000 low; full 700000 1000000 critical\"")                    \
	SHRINK_WORD(systemd, "off|on", 1, START,                                                   \
		    "source: what the service manager says in MEMORY_PRESSURE_WATCH")              \
	SHRINK_WORD(vmpressure, "off|critical|medium|low", 2, START,                               \
		    "source: cgroup v1 memory.pressure_level, from this level on")                 \
	SHRINK_WORD(vmpressure_mode, "local|default|hierarchy", 0, START,                          \
		    "whose pressure counts: of own group itself, or also of groups below it")      \
	SHRINK_WORD(oom, "off|on", 1, START, "source: cgroup v1 memory.oom_control")               \
	SHRINK_WORD(zones, "off|on", 1, START,                                                     \
		    "source: watermarks of the memory nodes, in place of MemAvailable")            \
	SHRINK_WORD(swap, "off|on", 1, START,                                                      \
		    "source: memory of ours that goes to swap, and limits on it")                  \
	SHRINK_WORD(memavailable, "off|on", 1, START, "source: the machine's MemAvailable")        \
	SHRINK_WORD(bridge, "off|auto|trace|module|bpf|perf|helper", 0, START,                     \
		    "source: the kernel's own reclaim of us, followed through its tracepoints; "   \
		    "needs CAP_BPF and CAP_PERFMON, or root. module: our caches are the kernel's " \
		    "own shrinkers; needs the module shrink_bridge and access to /dev/shrink. "    \
		    "bpf, perf, helper: only that way of following, where trace takes the best")   \
	SHRINK_TEXT(bridge_socket, 108, START,                                                     \
		    "where shrink-bridged(8) listens; empty: /run/libshrink/bridge.sock")          \
	SHRINK_NUM(bridge_count, "msec", 200, 1, 60000, NOW,                                       \
		   "bridge:module: what the kernel reads of a cache's size is at most so old")     \
	SHRINK_WORD(bridge_drop_caches, "off|on", 0, NOW,                                          \
		    "on: drop_caches, as the bridge sees it, drops ours too")                      \
	SHRINK_WORD(age, "off|on", 0, NOW,                                                         \
		    "on: objects of caches that can age go when they were idle for long, "         \
		    "without any pressure")                                                        \
	SHRINK_NUM(age_period, "msec", 60000, 1, 86400000, NOW,                                    \
		   "period of the clock that idle objects age by")                                 \
	SHRINK_WORD(pool_debug, "off|on", 0, NOW,                                                  \
		    "on: objects of pools made from now on are guarded, as by "                    \
		    "SHRINK_POOL_DEBUG: misuse is found and reported")                             \
	SHRINK_TEXT(sysroot, 256, START,                                                           \
		    "folder that stands for / where /proc and /sys/fs/cgroup are read; for tests")

/* What "cache.<glob>.<key>" may set of the caches whose name the glob matches. The
 * order is that of enum shrink_rule_key. */
#define SHRINK_CACHE_KEYS(SHRINK_NUM, SHRINK_WORD)                                                 \
	SHRINK_NUM(seeks, "", 2, 0, 1000000, NOW, "cost to rebuild one object, in place of the "   \
		   "shrinker's own; 0 = free to rebuild")                                          \
	SHRINK_NUM(keep, "objects", 0, 0, 1ULL << 40, NOW,                                         \
		   "objects never asked for, in place of the shrinker's own")                      \
	SHRINK_NUM(weight, "percent", 100, 0, 1000, NOW,                                           \
		   "share of its count that reclaim sees: less than 100 presses it less, more "    \
		   "presses it more, 0 leaves it alone")                                           \
	SHRINK_WORD(enabled, "false|true", 1, NOW, "false: left alone by reclaim")

#endif /* SHRINK_BASE_TUNABLES_H */
