/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Programs for the kernel: an object built with the library, loaded through libbpf,
 * whose events come through one ring buffer.
 *
 * libbpf is not linked but loaded when it is first wanted: it and what it needs (libelf,
 * zlib) would else be mapped into every server that uses this library, of which few may
 * load programs into the kernel at all; and a package need not depend on it. Needed is
 * libbpf 1 (libbpf.so.1), and CAP_BPF and CAP_PERFMON, or root.
 *
 * A program whose tracepoint the kernel does not have is left out, and said so.
 */
#ifndef SHRINK_BRIDGE_BPF_H
#define SHRINK_BRIDGE_BPF_H

#include <stddef.h>
#include <stdint.h>

struct shrink_bpf {
	void *object;
	void *ring;
	void *links[16];
	int nr_links;
	int nr_skipped;
	char skipped[96]; /* names of those left out */
};

struct shrink_bpf_source {
	const void *object;
	size_t size;
	const char *map; /* that is to have room for @entries; NULL = as they are */
	unsigned int entries;
};

/* Loads, attaches, and watches the map "ring"; @sample is called by consume() for each
 * record. May allocate and take its time (some tens of ms). 0, or a negative errno with
 * the reason in words: -ENOENT: no libbpf; -EPERM; -ENOTSUP: no BTF, or none of the
 * tracepoints; or what the kernel said. */
int shrink_bpf_open(struct shrink_bpf *bpf, const struct shrink_bpf_source *source,
		    int (*sample)(void *arg, void *record, size_t size), void *arg, char *reason,
		    size_t reason_size);
void shrink_bpf_close(struct shrink_bpf *bpf);

/* Puts an element into a map. 0, or a negative errno. */
int shrink_bpf_set(struct shrink_bpf *bpf, const char *map, const void *key, size_t key_size,
		   const void *value, size_t value_size);
/* Takes it out again. */
int shrink_bpf_unset(struct shrink_bpf *bpf, const char *map, const void *key, size_t key_size);
/* Readable when there are records. */
int shrink_bpf_fd(const struct shrink_bpf *bpf);
/* Hands all there are to @sample; neither blocks nor allocates. How many, or a negative
 * errno. */
int shrink_bpf_consume(struct shrink_bpf *bpf);

#endif /* SHRINK_BRIDGE_BPF_H */
