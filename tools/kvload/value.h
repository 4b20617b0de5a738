/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Keys and values of the load. A key's value is always the same, so that a value
 * can be checked without remembering anything: its size follows from the key
 * (log-uniform between two bounds), and it carries its key, its size and a
 * checksum over all of it.
 */
#ifndef KVLOAD_VALUE_H
#define KVLOAD_VALUE_H

#include <stddef.h>
#include <stdint.h>

#define KEY_MAX 64     /* text of a key with prefix and NUL */
#define PREFIX_MAX 40
#define VALUE_MIN 64u  /* smallest size that values may be given */
#define VALUE_MAX (1u << 20)

struct value_range {
	uint32_t min, max; /* bytes */
};

/* @prefix: up to PREFIX_MAX letters that go before it; may be NULL. */
size_t value_key(char key[KEY_MAX], const char *prefix, uint64_t id);
uint32_t value_flags(uint64_t id);
uint32_t value_size(const struct value_range *range, uint64_t id);
/* Writes value_size() bytes. */
void value_make(const struct value_range *range, uint64_t id, void *buf);
/* 1: @buf is exactly what value_make() wrote for this key. */
int value_check(const struct value_range *range, uint64_t id, const void *buf, size_t size);

#endif /* KVLOAD_VALUE_H */
