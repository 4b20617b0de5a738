/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/class.h"

/* Where an object has pages of its own there are as many sizes as pages: these are
 * taken together, up to the next power of two. */
#define SHARED_MAX ((size_t)32 << 10)

#define SMALL_MAX 128u	/* places are multiples of 16 up to here ... */
#define PAGE	  4096u /* ... and whole pages beyond SHARED_MAX */

static size_t sizes[CLASSES];

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

size_t class_round(size_t size)
{
	size_t power = SMALL_MAX;

	if (size <= SMALL_MAX)
		return round_up(size < 32 ? 32 : size, 16);
	if (size > SHARED_MAX)
		return round_up(size, PAGE);
	while (power * 2 < size)
		power *= 2;
	return round_up(size, power / 8); /* eighths of the power of two below */
}

size_t class_bytes(unsigned int cls)
{
	return cls < CLASSES ? __atomic_load_n(&sizes[cls], __ATOMIC_RELAXED) : 0;
}

unsigned int class_of(size_t usable)
{
	size_t bytes = SHARED_MAX;
	unsigned int cls;

	if (usable <= SHARED_MAX)
		bytes = usable;
	while (bytes < usable)
		bytes *= 2;
	for (cls = 0; cls < CLASSES - 1; cls++) {
		size_t seen = 0;

		if (__atomic_compare_exchange_n(&sizes[cls], &seen, bytes, 0, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED) ||
		    seen == bytes)
			break;
	}
	return cls;
}

unsigned int class_for(size_t size)
{
	unsigned int best = CLASSES;
	size_t bytes;

	for (unsigned int cls = 0; (bytes = class_bytes(cls)) != 0; cls++) {
		if (bytes >= size && (best == CLASSES || bytes < class_bytes(best)))
			best = cls;
	}
	return best;
}
