// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/pool/class.h>

#define LINEAR 7 /* classes up to 128 bytes */
#define LINEAR_MAX 128
#define SLAB_MIN ((size_t)16 << 10)
#define SLAB_MAX ((size_t)256 << 10)

static unsigned int log2_floor(size_t v)
{
	return 63 - (unsigned int)__builtin_clzll(v);
}

static unsigned int log2_ceil(size_t v)
{
	return v > 1 ? log2_floor(v - 1) + 1 : 0;
}

static size_t round_up(size_t v, size_t to)
{
	return (v + to - 1) & ~(to - 1);
}

static unsigned int stride_of(size_t length)
{
	unsigned int stride = log2_ceil(length);

	return stride < SHRINK_CLASS_STRIDE_MIN ? SHRINK_CLASS_STRIDE_MIN : stride;
}

unsigned int shrink_class_of(size_t size, size_t page)
{
	unsigned int power;

	if (size > SHRINK_CLASS_SMALL_MAX) {
		power = stride_of(round_up(size, page));
		return SHRINK_CLASS_SMALL + (power > 16 ? power - 16 : 0);
	}
	if (size <= LINEAR_MAX)
		return size <= 32 ? 0 : (unsigned int)((size + 15) / 16 - 2);
	/* the top three bits below the leading one choose the eighth */
	power = log2_floor(size - 1);
	return LINEAR + (power - 7) * 8 + (unsigned int)((size - 1) >> (power - 3)) - 8;
}

static uint32_t size_of_class(unsigned int class)
{
	unsigned int eighth;

	if (class < LINEAR)
		return (uint32_t)(class + 2) * 16;
	eighth = (class - LINEAR) % 8;
	return (uint32_t)(9 + eighth) << ((class - LINEAR) / 8 + 4);
}

/* The shortest slab whose tail waste is below 1/32, else the least wasteful. */
static size_t length_for(size_t size, size_t page)
{
	size_t best = 0, best_waste = 0;

	for (size_t length = SLAB_MIN; length <= SLAB_MAX; length += page) {
		size_t waste = length % size;

		if (size > length)
			continue;
		if (waste * 32 < length)
			return length;
		/* waste / length < best_waste / best */
		if (!best || waste * best < best_waste * length) {
			best = length;
			best_waste = waste;
		}
	}
	return best;
}

void shrink_class_geometry(unsigned int class, size_t page,
			   struct shrink_class_geometry *ret_geometry)
{
	struct shrink_class_geometry g = {.nr = 1};
	size_t length;

	if (class >= SHRINK_CLASS_SMALL) {
		g.stride = (uint8_t)(class - SHRINK_CLASS_SMALL + 16);
	} else {
		g.size = size_of_class(class);
		length = length_for(g.size, page);
		g.length = (uint32_t)length;
		g.nr = (uint16_t)(length / g.size);
		g.stride = (uint8_t)stride_of(length);
		g.recip = ((UINT64_C(1) << 40) + g.size - 1) / g.size;
	}
	*ret_geometry = g;
}

void shrink_class_geometry_huge(unsigned int class, size_t page,
				struct shrink_class_geometry *ret_geometry)
{
	struct shrink_class_geometry g;

	shrink_class_geometry(class, page, &g);
	if (g.size && SHRINK_CLASS_HUGE / g.size <= SHRINK_CLASS_OBJECTS_MAX) {
		g.length = SHRINK_CLASS_HUGE;
		g.nr = (uint16_t)(g.length / g.size);
		g.stride = (uint8_t)stride_of(g.length);
	}
	*ret_geometry = g;
}
