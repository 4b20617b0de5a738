// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/pool/guard.h>

#define BEYOND 0xe5 /* between an object's end and its trailer */
#define GONE   0xdb /* in a place in no use */

/* "pool live", and what became of it in the last byte. */
#define STATE_LIVE UINT64_C(0x6c6976656f626a00)

struct trailer {
	_Atomic uint64_t state; /* STATE_LIVE + enum pool_end; 0 = never used */
	_Atomic uint32_t size, size_inverted;
};

/* AddressSanitizer's interface, if it is in the process. */
extern void __asan_poison_memory_region(const volatile void *, size_t) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *, size_t) __attribute__((weak));

static void poison(const struct shrink_pool *pool, const void *at, size_t length)
{
	if (pool->watch & POOL_WATCH_ASAN)
		__asan_poison_memory_region(at, length);
}

static void unpoison(const struct shrink_pool *pool, const void *at, size_t length)
{
	if (pool->watch & POOL_WATCH_ASAN)
		__asan_unpoison_memory_region(at, length);
}

unsigned int shrink_pool_watch(unsigned int flags)
{
	unsigned int watch = 0;

	if (flags & SHRINK_POOL_DEBUG || SHRINK_TUN(pool_debug))
		watch |= POOL_WATCH_GUARD;
	if (__asan_poison_memory_region && __asan_unpoison_memory_region)
		watch |= POOL_WATCH_ASAN;
	return watch;
}

static struct trailer *trailer_of(const unsigned char *object, size_t place)
{
	return (struct trailer *)(uintptr_t)(object + place - sizeof(struct trailer));
}

/* Of the first byte in [@from, @to) that is not @expected; @to: there is none. */
static size_t first_other(const unsigned char *object, size_t from, size_t to, int expected)
{
	while (from < to && object[from] == expected)
		from++;
	return from;
}

/* A broken program must not drown its log; one that is being debugged wants to know. */
static int is_told(const struct shrink_pool *pool, uint64_t n)
{
	return !(n & (n - 1)) || (pool->watch & POOL_WATCH_GUARD && n <= 64);
}

static const char *const ends[] = {"live", "freed", "evicted", "moved"};

static void damaged(struct shrink_pool *pool, const unsigned char *object, size_t size, size_t at,
		    int expected, unsigned int end)
{
	uint64_t n = add_relaxed(&pool->damaged, 1) + 1;

	if (!is_told(pool, n))
		return;
	if (end)
		shrink_err("pool %s: %p, %zu bytes, was written to after it was %s: byte %zu is "
			   "0x%02x, expected 0x%02x (%llu so far)",
			   pool->name, (const void *)object, size, ends[end], at, object[at],
			   expected, (unsigned long long)n);
	else
		shrink_err("pool %s: %p, %zu bytes, was written to beyond its end: byte %zu is "
			   "0x%02x, expected 0x%02x (%llu so far)",
			   pool->name, (const void *)object, size, at, object[at], expected,
			   (unsigned long long)n);
}

/* The trailer itself was overwritten. */
static void trailer_damaged(struct shrink_pool *pool, const unsigned char *object, size_t place)
{
	uint64_t n = add_relaxed(&pool->damaged, 1) + 1;

	if (is_told(pool, n))
		shrink_err("pool %s: %p was written to beyond its end, up to byte %zu or more "
			   "(%llu so far)",
			   pool->name, (const void *)object, place - 1, (unsigned long long)n);
}

/* Not instrumented: the trailer is poisoned for everybody else. */
static __attribute__((no_sanitize_address, noinline)) size_t size_in(const struct trailer *t)
{
	uint32_t size = load_relaxed(&t->size);

	return size == ~load_relaxed(&t->size_inverted) ? size : SIZE_MAX;
}

static __attribute__((no_sanitize_address, noinline)) uint64_t state_in(const struct trailer *t)
{
	return load_relaxed(&t->state);
}

static unsigned int end_in(uint64_t state)
{
	return state > STATE_LIVE && state <= STATE_LIVE + POOL_END_MOVED
		       ? (unsigned int)(state - STATE_LIVE)
		       : 0;
}

size_t shrink_pool_guard_size(const unsigned char *object, size_t place)
{
	size_t size = size_in(trailer_of(object, place));

	return size <= place - sizeof(struct trailer) ? size : place - sizeof(struct trailer);
}

/* Where the pattern behind an object begins. Heads of new objects are zeros, all of them. */
static size_t beyond(size_t size)
{
	return size < SHRINK_POOL_HEAD ? SHRINK_POOL_HEAD : size;
}

/* Was the place left alone since it came into no use? */
static void check_free(struct shrink_pool *pool, unsigned char *object, size_t place)
{
	struct trailer *t = trailer_of(object, place);
	size_t to = place - sizeof(*t), at;
	unsigned int end = end_in(load_relaxed(&t->state));

	if (end) {
		at = first_other(object, SHRINK_POOL_HEAD, to, GONE);
		if (at < to)
			damaged(pool, object, shrink_pool_guard_size(object, place), at, GONE,
				end);
	} else if (load_relaxed(&t->state)) {
		trailer_damaged(pool, object, place);
	}
}

void shrink_pool_guard_born(struct shrink_pool *pool, unsigned char *object, size_t place,
			    size_t size)
{
	struct trailer *t = trailer_of(object, place);

	unpoison(pool, object, place);
	if (!(pool->watch & POOL_WATCH_GUARD))
		return;
	check_free(pool, object, place);
	memset(object + beyond(size), BEYOND, place - sizeof(*t) - beyond(size));
	store_relaxed(&t->size, (uint32_t)size);
	store_relaxed(&t->size_inverted, ~(uint32_t)size);
	store_relaxed(&t->state, STATE_LIVE);
	poison(pool, object + beyond(size), place - beyond(size));
}

/* Its end and its trailer are as they were written. */
static void check_live(struct shrink_pool *pool, const unsigned char *object, size_t place)
{
	size_t to = place - sizeof(struct trailer), size = size_in(trailer_of(object, place));
	size_t at = size > to ? to : first_other(object, beyond(size), to, BEYOND);

	if (size > to)
		trailer_damaged(pool, object, place);
	else if (at < to)
		damaged(pool, object, size, at, BEYOND, 0);
}

/* The pattern of what is gone. Its head is zeroed when the place is given up. */
static void wipe(struct shrink_pool *pool, unsigned char *object, size_t place)
{
	if (pool->watch & POOL_WATCH_GUARD)
		memset(object + SHRINK_POOL_HEAD, GONE,
		       place - sizeof(struct trailer) - SHRINK_POOL_HEAD);
	poison(pool, object + SHRINK_POOL_HEAD, place - SHRINK_POOL_HEAD);
}

void shrink_pool_guard_end(struct shrink_pool *pool, unsigned char *object, size_t place,
			   enum pool_end why)
{
	unpoison(pool, object, place);
	if (pool->watch & POOL_WATCH_GUARD) {
		check_live(pool, object, place);
		store_relaxed(&trailer_of(object, place)->state, STATE_LIVE + why);
	}
	wipe(pool, object, place);
}

/* Does a live object, as far as the bitmaps say, begin there? */
static int is_object(struct shrink_pool *pool, const struct pool_class *class,
		     struct pool_slab *slab, size_t offset)
{
	struct pool_places places = pool_places(pool, slab, class->geo.nr);
	unsigned int place = shrink_class_index(&class->geo, offset), w = place / 64;
	uint64_t bit = UINT64_C(1) << place % 64;

	return place < class->geo.nr && (size_t)place * class->geo.size == offset &&
	       load_relaxed(&places.alloc[w]) & ~load_relaxed(&places.cached[w]) & bit;
}

/* The first free of an object takes it from LIVE, and only one can. */
static int take_from_live(struct trailer *t)
{
	uint64_t state = STATE_LIVE;

	return atomic_compare_exchange_strong_explicit(&t->state, &state,
						       STATE_LIVE + POOL_END_FREED,
						       memory_order_relaxed, memory_order_relaxed);
}

int shrink_pool_guard_free(struct shrink_pool *pool, struct pool_slab *slab, uint32_t tag,
			   size_t offset, const void *object)
{
	const struct pool_class *class = &pool->classes[tag >> 8];
	unsigned char *at = (unsigned char *)(uintptr_t)object;
	size_t place = pool_object_size(pool, class, slab);
	struct trailer *t = trailer_of(at, place);
	uint64_t state;

	if (!is_object(pool, class, slab, offset)) {
		shrink_pool_misuse(pool, object);
		return 0;
	}
	if (pool->watch & POOL_WATCH_GUARD) {
		state = state_in(t);
		if (end_in(state)) {
			shrink_pool_misuse(pool, object);
			return 0;
		}
		unpoison(pool, at, place);
		if (state != STATE_LIVE) {
			trailer_damaged(pool, at, place);
		} else if (take_from_live(t)) {
			check_live(pool, at, place);
		} else {
			shrink_pool_misuse(pool, object);
			return 0;
		}
		store_relaxed(&t->state, STATE_LIVE + POOL_END_FREED);
	}
	wipe(pool, at, place);
	return 1;
}

void shrink_pool_guard_slab(struct shrink_pool *pool, const struct pool_class *class,
			    struct pool_slab *slab)
{
	unsigned char *start = pool->data + pool_slab_offset(pool, slab);
	size_t place = pool_object_size(pool, class, slab);

	poison(pool, start, pool_slab_bytes(pool, slab));
	for (unsigned int i = 0; i < class->geo.nr; i++)
		unpoison(pool, start + i * place, SHRINK_POOL_HEAD);
}

void shrink_pool_guard_gone(struct shrink_pool *pool, size_t offset, size_t length)
{
	poison(pool, pool->data + offset, length);
}

void shrink_pool_guard_zero(struct shrink_pool *pool, size_t offset, size_t length)
{
	unpoison(pool, pool->data + offset, length);
	memset(pool->data + offset, 0, length);
	poison(pool, pool->data + offset, length);
}

/* Others may get the addresses. */
void shrink_pool_guard_destroy(struct shrink_pool *pool)
{
	if (pool->data)
		unpoison(pool, pool->data, (size_t)load_relaxed(&pool->nr_extents) << EXTENT_SHIFT);
}

/* What @object is, as far as can be told. */
static void describe(struct shrink_pool *pool, const void *object, char *text, size_t size)
{
	size_t offset = 0, place;
	struct pool_slab *slab = shrink_pool_find(pool, object, &offset);
	uint32_t tag = slab ? load_relaxed(&slab->tag) : 0;
	const struct pool_class *class = &pool->classes[tag >> 8];
	unsigned int end = 0;

	if ((uintptr_t)object - (uintptr_t)pool->data >=
	    (size_t)load_relaxed(&pool->nr_extents) << EXTENT_SHIFT) {
		snprintf(text, size, "it is no memory of this pool's");
		return;
	}
	if ((tag & 0xff) == SLAB_FREE) {
		snprintf(text, size, "all of its slab was freed or evicted before");
		return;
	}
	place = pool_object_size(pool, class, slab);
	offset -= (size_t)shrink_class_index(&class->geo, offset) * class->geo.size;
	if (offset) {
		snprintf(text, size, "it is %zu bytes behind the start of a place of %zu", offset,
			 place);
		return;
	}
	if (pool->watch & POOL_WATCH_GUARD)
		end = end_in(state_in(trailer_of(object, place)));
	snprintf(text, size, "it was %s before", end ? ends[end] : "freed or evicted");
}

void shrink_pool_misuse(struct shrink_pool *pool, const void *object)
{
	uint64_t n = add_relaxed(&pool->bad_frees, 1) + 1;
	char text[128];

	if (!is_told(pool, n))
		return;
	describe(pool, object, text, sizeof(text));
	shrink_err("pool %s: free of %p: expected a live object, but %s; left alone (%llu so far)",
		   pool->name, object, text, (unsigned long long)n);
}

void shrink_pool_misuse_given(struct shrink_pool *pool, const void *slab, unsigned int nr)
{
	uint64_t n = add_relaxed(&pool->bad_frees, 1) + 1;

	if (is_told(pool, n))
		shrink_err("pool %s: %u objects of the slab at %p were freed, though evict() or "
			   "move() had given them to the pool (%llu so far)",
			   pool->name, nr, slab, (unsigned long long)n);
}
