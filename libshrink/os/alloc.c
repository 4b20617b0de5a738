// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/alloc.h>

static atomic_ulong made, fail_at;

static int fails(void)
{
	unsigned long n = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) + 1;

	return n == atomic_load_explicit(&fail_at, memory_order_relaxed);
}

void *shrink_os_alloc(size_t size)
{
	size_t full = (size + SHRINK_CACHELINE - 1) & ~(size_t)(SHRINK_CACHELINE - 1);
	void *p = fails() || full < size ? NULL : aligned_alloc(SHRINK_CACHELINE, full);

	if (!p) {
		errno = ENOMEM;
		return NULL;
	}
	return memset(p, 0, full);
}

char *shrink_os_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = shrink_os_alloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void shrink_os_free(void *p)
{
	free(p);
}

unsigned long shrink_os_alloc_fail(unsigned long nth)
{
	atomic_store_explicit(&fail_at, nth, memory_order_relaxed);
	return atomic_exchange_explicit(&made, 0, memory_order_relaxed);
}
