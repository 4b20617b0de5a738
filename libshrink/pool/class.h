/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Size classes: which objects share a slab, and how large that slab is. A pure
 * calculator.
 *
 *   32 48 64 80 96 112 128 | 144 160 .. 256 | 288 .. 512 | ... | 18K .. 32K
 *   steps of 16              steps of 1/8 of a power of two
 *
 * so that no object above 128 bytes wastes 1/9 or more of its class. What is
 * larger than 32 KiB is a slab of its own, of whole pages, one class per power of
 * two of address space (its "stride").
 *
 * A slab is as small as a tail waste below 1/32 permits, 16 KiB at least: slabs
 * are given back whole, so the fewer objects share one, the better cold ones are
 * told from hot ones. Where a pool is to use huge pages, what shares a slab of at most
 * 512 places with that shares one of 2 MiB, a huge page: it goes back whole, so none is
 * ever split. Else a slab's length is any number of pages; the addresses it takes
 * are a power of two, which costs address space only.
 */
#ifndef SHRINK_POOL_CLASS_H
#define SHRINK_POOL_CLASS_H

#include <stddef.h>
#include <stdint.h>

#define SHRINK_CLASS_SMALL 71 /* classes of shared slabs: 7 + 8 doublings of 8 */
#define SHRINK_CLASS_SMALL_MAX ((size_t)32 << 10)
#define SHRINK_CLASS_LARGE 7 /* strides of 64 KiB .. 4 MiB */
#define SHRINK_CLASSES (SHRINK_CLASS_SMALL + SHRINK_CLASS_LARGE)
#define SHRINK_CLASS_STRIDE_MIN 14 /* log2 */
#define SHRINK_CLASS_STRIDE_MAX 22
#define SHRINK_CLASS_OBJECTS_MAX 512 /* per slab */
#define SHRINK_CLASS_HUGE ((size_t)2 << 20)

struct shrink_class_geometry {
	uint32_t size;   /* bytes of an object; 0 = the slab is the object */
	uint32_t length; /* bytes of a slab in use; 0 = each slab has its own */
	uint16_t nr;     /* objects per slab */
	uint8_t stride;  /* log2 of the addresses a slab takes */
	uint64_t recip;  /* ceil(2^40 / size): offset -> index without a division */
};

/* The class of an object of @size bytes, 1 .. 4 MiB. */
unsigned int shrink_class_of(size_t size, size_t page);

/* @page: bytes of a page, a power of two up to 16 KiB. */
void shrink_class_geometry(unsigned int class, size_t page,
			   struct shrink_class_geometry *ret_geometry);
/* The same for a pool of huge pages: objects of 4 KiB to 32 KiB have slabs of 2 MiB. */
void shrink_class_geometry_huge(unsigned int class, size_t page,
				struct shrink_class_geometry *ret_geometry);

/* Is a slab of the class one huge page? */
static inline int shrink_class_is_huge(const struct shrink_class_geometry *g)
{
	return g->size && g->length == SHRINK_CLASS_HUGE;
}

/* Which object of the slab the byte at @offset belongs to. Exact while offset *
 * size is below 2^40, and slabs end far below that. */
static inline unsigned int shrink_class_index(const struct shrink_class_geometry *g, size_t offset)
{
	return g->size ? (unsigned int)((uint64_t)offset * g->recip >> 40) : 0;
}

#endif /* SHRINK_POOL_CLASS_H */
