/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Where a tracepoint's fields lie in its records, as the running kernel says it: the text
 * of events/SYSTEM/NAME/format in tracefs. Fields come, go, move and change their size
 * from one kernel to the next, so nothing of it is assumed.
 *
 *	name: mm_shrink_slab_start
 *	ID: 631
 *	format:
 *		field:int nid;	offset:24;	size:4;	signed:1;
 *		...
 *
 * Text in, numbers out. The text may be cut off: what is looked for has to be in whole
 * lines before the cut; the line "print fmt", which can be many KiB, is not needed.
 */
#ifndef SHRINK_BRIDGE_TRACE_FORMAT_H
#define SHRINK_BRIDGE_TRACE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Of one record; a perf sample holds no longer ones. */
#define SHRINK_TRACE_RECORD_MAX 65536

/* A number of 1, 2, 4 or 8 bytes. */
struct shrink_trace_field {
	uint32_t offset;
	uint32_t size;
	int is_signed;
};

/* The tracepoint's number, for perf_event_attr.config. 0; -EINVAL: the text has none. */
int shrink_trace_id(const char *text, uint64_t *ret_id);

/* The field of that name. 0; -ENOENT: this kernel's tracepoint has none; -EINVAL: its line
 * says no sense, or it lies outside of any record; -EDOM: it is no number. */
int shrink_trace_find(const char *text, const char *name, struct shrink_trace_field *ret_field);

/* Its value in a record of @size bytes, extended by its sign if it has one: bits of an
 * unsigned one are bits of the result. 0; -ERANGE: the record is too short. */
int shrink_trace_value(const struct shrink_trace_field *field, const void *record, size_t size,
		       int64_t *ret_value);

#endif /* SHRINK_BRIDGE_TRACE_FORMAT_H */
