/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What shrink-bridged says to a process it serves, over a socket of whole messages
 * (AF_UNIX, SOCK_SEQPACKET) of one machine, so in its own byte order. First a hello, then
 * events of the process's own group. A process says nothing; who does is dropped.
 */
#ifndef SHRINK_BRIDGE_WIRE_H
#define SHRINK_BRIDGE_WIRE_H

#include <stdint.h>

#define WIRE_SOCKET  "/run/libshrink/bridge.sock"
#define WIRE_VERSION 1

enum wire_type {
	WIRE_HELLO = 0x73680001, /* kind: the version; priority: 0, or why not, -errno */
	WIRE_EVENT = 0x73680002,
};

struct wire_message {
	uint32_t type;
	uint32_t kind; /* enum follow_kind */
	uint64_t nsec; /* CLOCK_MONOTONIC */
	int32_t nid;
	int32_t priority;
	uint32_t folded;
	uint32_t reserved;
	uint64_t lost; /* in all: of the kernel's and of those this process was too slow for */
};

#endif /* SHRINK_BRIDGE_WIRE_H */
