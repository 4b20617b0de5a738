/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Numbers out of text: configuration and the kernel's files. */
#ifndef SHRINK_BASE_PARSE_H
#define SHRINK_BASE_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits at *p; advances *p. -EINVAL: none; -ERANGE: over 64 bits.
 * *ret_value is written on success only. */
int shrink_parse_u64(const char **p, uint64_t *ret_value);

/* A whole text that is one number, with K, M, G or T (powers of 1024, any case,
 * an optional B or iB) where @sizes. -EINVAL, -ERANGE as above. */
int shrink_parse_number(const char *text, int sizes, uint64_t *ret_value);

/* A text that begins with a number, or with the word "max": UINT64_MAX. */
int shrink_parse_limit(const char *text, uint64_t *ret_value);

/* The number that follows @key at the start of a line of @text ("key 123" or
 * "key: 123 kB"); -ENOENT: no such line. kB multiplies by 1024. */
int shrink_parse_field(const char *text, const char *key, uint64_t *ret_value);

#endif /* SHRINK_BASE_PARSE_H */
