/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Purgeable memory: objects the kernel may take by itself, even from a process that is
 * stopped, and whose loss is found out exactly.
 *
 * A region is a stretch of address space; an object is a run of whole pages in it. A
 * new object is pinned. Unpinned, it is offered to the kernel (MADV_FREE), which takes
 * its pages when it wants memory and leaves them alone when not. Pinning it again says
 * which of the two it was: KEPT, and then every byte is as it was, or PURGED, and then
 * every byte is zero (G11). An object of which one page was taken is purged whole.
 *
 * Between the last unpin and the next pin the object's bytes must be neither read nor
 * written: reading does not keep a page, and the first word of each page is not the
 * object's meanwhile.
 *
 * The region is a shrinker too, counted in pages: what is unpinned goes, the longest
 * unpinned first, also where the kernel is not pressed but a limit of the
 * application's own is.
 *
 * What it costs (docs/kernel-bridge.md): offering and taking back is dearer than
 * freeing what is not needed, unless most of what is unpinned comes back; and an
 * object uses whole pages. It is for values of a page and more that are costly to make.
 *
 * Threads: every call is safe from any thread. None may be made from a signal handler.
 */
#ifndef SHRINK_REGION_H
#define SHRINK_REGION_H

#include <shrink/shrinker.h>

SHRINK_BEGIN_DECLS

struct shrink_region;

/** What a pin has found. */
enum shrink_region_found {
	/** every byte is as it was when it was unpinned */
	SHRINK_REGION_KEPT = 0,
	/** taken since; every byte is zero */
	SHRINK_REGION_PURGED = 1
};

/** In shrink_region_options.flags: forked children share no page of the region and
 *  find all of it purged, what was pinned too (MADV_WIPEONFORK). Without it a child
 *  keeps what was pinned at fork(), by copy on write as any memory, and finds the rest
 *  purged; and the parent offers no page to the kernel that a child still shares. */
#define SHRINK_REGION_WIPE_ON_FORK 0x1u

/** How to make a region. Zero it, set what differs; fields are appended only. */
struct shrink_region_options {
	/** Makes a purged object anew: called by the pin that found it purged, with
	 *  the object zeroed and pinned and no lock held; other pins of it wait. 0, or
	 *  a negative errno, which the pin returns; the object is unpinned then. Must
	 *  not pin or unpin that object. NULL = pin says PURGED and the application
	 *  fills the object. */
	int (*reconstruct)(void *arg, void *object, size_t size);
	void *arg;
	int seeks;	    /**< of the shrinker; 0 = SHRINK_DEFAULT_SEEKS */
	unsigned int flags; /**< SHRINK_REGION_* */
	unsigned int batch; /**< unpinned pages offered at once, up to 65536; 0 = 64 */
};

/**
 * shrink_region_create() - address space for purgeable objects, and their shrinker
 * @options: NULL = all defaults; @options_size: its sizeof as the caller knows it
 * @size: bytes, rounded up to whole pages, at most 1 TiB; never resident beyond this
 * @fmt: printf-style name of its shrinker
 *
 * Return: the region, or NULL with errno = EINVAL: size 0 or too large, unknown flag,
 * batch or seeks out of range, no name; ENOMEM; ENOTSUP: SHRINK_REGION_WIPE_ON_FORK
 * before Linux 4.14.
 */
SHRINK_NODISCARD SHRINK_PRINTF(4, 5) struct shrink_region *shrink_region_create(
	const struct shrink_region_options *options, size_t options_size, size_t size,
	const char *fmt, ...);

/** Unregisters, waits for the region's own scans, unmaps. NULL is fine. No object may
 *  be used any more, and no call on the region be under way. */
void shrink_region_destroy(struct shrink_region *region);

/** A new object of @size bytes, rounded up to whole pages, page-aligned, zero, and
 *  pinned once. NULL with errno = EINVAL: 0, or larger than the region; ENOMEM: no
 *  run of pages that long is free: unpinned objects hold theirs until freed. */
SHRINK_NODISCARD void *shrink_region_alloc(struct shrink_region *region, size_t size);

/** Ends an object, pinned or not, and gives its pages back at once. NULL is fine.
 *  Nobody may be using it. 0; -EINVAL: no object of the region. */
int shrink_region_free(struct shrink_region *region, void *object);

/**
 * shrink_region_pin() - takes an object back into use
 *
 * Pins are counted. The first one looks at every page and finds out; those beside it
 * are told KEPT once it is through, where there is a reconstruct callback after that
 * has run. Without one, it is for the application to keep others away from an object
 * that was found purged until it has filled it.
 *
 * Return: SHRINK_REGION_KEPT, SHRINK_REGION_PURGED, both pinned; or, not pinned,
 * -EINVAL: no object of the region; -EOVERFLOW: pinned 2147483647 times; what
 * reconstruct returned.
 */
SHRINK_NODISCARD int shrink_region_pin(struct shrink_region *region, void *object);

/** Undoes one pin. After the last the object is queued, and offered to the kernel with
 *  others, by the call that fills the batch. A pin that comes before costs next to
 *  nothing. 0; -EINVAL: no object of the region; -EALREADY: it is not pinned. */
int shrink_region_unpin(struct shrink_region *region, void *object);

/** Offers what is queued to the kernel now: before going idle, say. */
void shrink_region_flush(struct shrink_region *region);

/**
 * shrink_region_pin_range(), shrink_region_unpin_range() - parts of an object
 * @offset, @len: whole pages, inside the object; len 0 = to its end
 *
 * As ashmem's: ranges unpinned that overlap become one, purged if one of them was;
 * pinning a part leaves the rest as it was, purged or not, and that it was purged is
 * remembered until all of it is pinned. Where a pin finds a page of a range missing, all
 * that is left of the range is purged. Not counted. For the one
 * that has the object to itself: -EBUSY where it is pinned more than once. Pinned and
 * unpinned as a whole, an object's ranges are forgotten, after they were asked.
 *
 * Return: KEPT or PURGED, or 0 for unpin; -EINVAL; -EBUSY; -ENOMEM: a range more
 * is needed than memory can be had for; nothing has changed.
 */
SHRINK_NODISCARD int shrink_region_pin_range(struct shrink_region *region, void *object,
					     size_t offset, size_t len);
int shrink_region_unpin_range(struct shrink_region *region, void *object, size_t offset,
			      size_t len);
/** 1: all of the range is pinned; 0: some page is not; -EINVAL. */
int shrink_region_pinned(struct shrink_region *region, void *object, size_t offset, size_t len);

/** Bytes of the object, in whole pages; 0: no object of the region. */
size_t shrink_region_usable(struct shrink_region *region, const void *object);

/** The region's shrinker, for setters and statistics; NULL for NULL. */
struct shrinker *shrink_region_shrinker(struct shrink_region *region);

/** A region's account; bytes are whole pages. Fields are appended only. */
struct shrink_region_stats {
	uint64_t size;
	uint64_t objects;
	uint64_t pinned_bytes;
	uint64_t unpinned_bytes; /**< not known to be purged */
	uint64_t offered_bytes;	 /**< of these, offered to the kernel */
	uint64_t kept;		 /**< pins of unpinned objects or ranges, by result */
	uint64_t purged;
	uint64_t cancelled;		 /**< of those kept: pinned before they were offered */
	uint64_t purged_by_kernel_bytes; /**< found missing by a pin or a scan */
	uint64_t purged_by_us_bytes;	 /**< dropped by the region's own scans */
	uint64_t collateral_bytes;	 /**< intact pages dropped with what lost others */
	uint64_t reconstructed;
	uint64_t flushes;
	uint64_t deferred;   /**< objects not offered: a forked child shares them */
	uint64_t trespasses; /**< purged because written to while unpinned */
	int offer_error;     /**< 0, or the last negative errno of an offer: the
			      *   kernel cannot take pages here (locked memory) */
};

/** Return: 0; -EINVAL. */
int shrink_region_stats(struct shrink_region *region, struct shrink_region_stats *ret_stats,
			size_t size);

SHRINK_END_DECLS

#endif /* SHRINK_REGION_H */
