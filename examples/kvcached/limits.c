/* SPDX-License-Identifier: MIT */
/* A tenant's limits: words, sizes, and what setting one means for the others. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "examples/kvcached/tenant.h"

bool tenant_limit_named(struct span word, enum shrink_memcg_limit *ret_which)
{
	static const struct {
		const char *name;
		enum shrink_memcg_limit which;
	} limits[] = {
		{"min", SHRINK_MEMCG_LIMIT_MIN},
		{"low", SHRINK_MEMCG_LIMIT_LOW},
		{"high", SHRINK_MEMCG_LIMIT_HIGH},
		{"max", SHRINK_MEMCG_LIMIT_MAX},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (word.len == strlen(limits[i].name) &&
		    memcmp(word.at, limits[i].name, word.len) == 0) {
			*ret_which = limits[i].which;
			return true;
		}
	}
	return false;
}

/* 0 for a letter that is no unit. */
static uint64_t unit_of(char letter)
{
	switch (letter) {
	case 'k':
	case 'K':
		return 1ull << 10;
	case 'm':
	case 'M':
		return 1ull << 20;
	case 'g':
	case 'G':
		return 1ull << 30;
	default:
		return 0;
	}
}

bool tenant_parse_size(struct span word, uint64_t *ret_bytes)
{
	uint64_t value = 0, unit = 1;

	if (word.len == 4 && memcmp(word.at, "none", 4) == 0) {
		*ret_bytes = SHRINK_MEMCG_MAX;
		return true;
	}
	if (word.len > 1 && unit_of(word.at[word.len - 1])) {
		unit = unit_of(word.at[--word.len]);
	}
	for (size_t i = 0; i < word.len; i++) {
		if (word.at[i] < '0' || word.at[i] > '9' ||
		    __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(word.at[i] - '0'), &value))
			return false;
	}
	if (!word.len || __builtin_mul_overflow(value, unit, &value))
		return false;
	*ret_bytes = value;
	return true;
}

/* What all have of a limit together, with @bytes in the place of @t's. */
static uint64_t sum_with(const struct tenant *t, enum shrink_memcg_limit which, uint64_t bytes)
{
	uint64_t sum = bytes;

	for (unsigned int i = 0; i < tenants_count(); i++) {
		const struct tenant *other = tenant_at(i);

		if (other != t &&
		    __builtin_add_overflow(sum, shrink_memcg_get_limit(other->memcg, which), &sum))
			return SHRINK_MEMCG_MAX;
	}
	return sum;
}

/*
 * libshrink: protection comes from above, as the kernel's: a group protects no more
 * than its parent grants. So the whole is granted what its tenants are. "none" would
 * be all there is, and leave nothing to take from anybody.
 */
static int grant(struct tenant *t, enum shrink_memcg_limit which, uint64_t bytes)
{
	uint64_t sum = sum_with(t, which, bytes), most;

	most = shrink_memcg_get_limit(tenants_group(), SHRINK_MEMCG_LIMIT_MAX);
	if (which == SHRINK_MEMCG_LIMIT_MIN && (sum > most || sum == SHRINK_MEMCG_MAX))
		return -ENOSPC;
	return shrink_memcg_set_limit(tenants_group(), which, sum);
}

/* One at a time, so that the sum is that of what is set. */
static int set_protection(struct tenant *t, enum shrink_memcg_limit which, uint64_t bytes)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int r;

	pthread_mutex_lock(&lock);
	r = grant(t, which, bytes);
	if (r == 0)
		r = shrink_memcg_set_limit(t->memcg, which, bytes);
	pthread_mutex_unlock(&lock);
	return r;
}

int tenant_set_limit(struct tenant *t, enum shrink_memcg_limit which, uint64_t bytes)
{
	if (which == SHRINK_MEMCG_LIMIT_MIN || which == SHRINK_MEMCG_LIMIT_LOW)
		return set_protection(t, which, bytes);
	return shrink_memcg_set_limit(t->memcg, which, bytes);
}
