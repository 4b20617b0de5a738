/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Tables of numbers, one row a line: what tests/data holds, and any file of the
 * same shape from elsewhere. Comments (#), blank lines and CRLF are skipped; a
 * row that cannot be read is the caller's to report, with its line number.
 */
#ifndef TESTS_TSV_H
#define TESTS_TSV_H

#include <stdint.h>
#include <stdio.h>

#define TSV_FIELDS 32

struct tsv {
	FILE *f;
	const char *path;
	char *line; /* the row as cut into fields */
	size_t room;
	unsigned long number; /* of the line, from 1 */
	unsigned int nr;      /* fields of the row */
	char *field[TSV_FIELDS];
	unsigned long passed, failed;
};

/* 0, or a negative errno. */
int tsv_open(struct tsv *t, const char *path);
/* Reads the next row; 0 at the end. */
int tsv_next(struct tsv *t);
/* Counts the row as failed and says why, as "path:line: why". */
void tsv_fail(struct tsv *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints "N passed, N failed", closes; the exit status: 0 if rows were read and
 * none failed. */
int tsv_close(struct tsv *t);

/* A whole field as a number within lo..hi; decimal, or hexadecimal after 0x.
 * 0, or -1 with *ret untouched. */
int tsv_int(const char *field, int64_t lo, int64_t hi, int64_t *ret);
/* The same up to 2^64 - 1; a negative number is taken by its bits. */
int tsv_bits(const char *field, uint64_t *ret);

#endif /* TESTS_TSV_H */
