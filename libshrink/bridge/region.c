// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A region's life, and its account. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/bridge/region.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/map.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/purge.h>

/* What the caller knows of the options; the rest is zero. */
static void take_options(const struct shrink_region_options *options, size_t size,
			 struct shrink_region_options *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (options)
		memcpy(ret, options, size < sizeof(*ret) ? size : sizeof(*ret));
}

static int check(const struct shrink_region_options *o, size_t size)
{
	if (!size || size > REGION_SIZE_MAX || o->seeks < 0 || o->batch > REGION_BATCH_MAX ||
	    o->flags & ~SHRINK_REGION_WIPE_ON_FORK)
		return -EINVAL;
	return 0;
}

static int map(size_t size, void *ret_address)
{
	void *p = shrink_os_map_reserve(size, SHRINK_OS_PAGES_SMALL);
	int r = p ? shrink_os_map_open(p, size) : -ENOMEM;

	if (r < 0) {
		shrink_os_map_unreserve(p, size);
		return r;
	}
	*(void **)ret_address = p;
	return 0;
}

/* Touched bit by bit, as pages come into use: 17 bytes for each, and a head for each
 * that begins an object. */
static int map_tables(struct shrink_region *r)
{
	size_t objects = r->nr_pages * sizeof(*r->objects), saved = r->nr_pages * sizeof(*r->saved);
	size_t words = (r->nr_pages + 63) / 64;
	int err;

	r->tables_size = objects + saved + words * sizeof(*r->used) + r->nr_pages;
	err = map(r->tables_size, &r->tables);
	if (err < 0)
		return err;
	r->objects = (struct region_object *)(void *)r->tables;
	r->saved = (uint64_t *)(void *)(r->tables + objects);
	r->used = (uint64_t *)(void *)(r->tables + objects + saved);
	r->lazy = (uint8_t *)(r->used + words);
	return 0;
}

static int add_shrinker(struct shrink_region *r, int seeks)
{
	struct shrinker *s = shrinker_alloc(SHRINKER_SELF_RELEASE | SHRINKER_DIRECT, "%s", r->name);

	if (!s)
		return -errno;
	s->count_objects = shrink_purge_count;
	s->scan_objects = shrink_purge_scan;
	s->private_data = r;
	s->object_size = r->page;
	s->seeks = seeks ? seeks : SHRINK_DEFAULT_SEEKS;
	r->shrinker = s;
	return shrinker_register(s);
}

static int set_up(struct shrink_region *r, const struct shrink_region_options *o, size_t size)
{
	int err;

	r->page = shrink_os_page_size();
	r->nr_pages = (uint32_t)((size + r->page - 1) / r->page);
	r->flags = o->flags;
	r->batch = o->batch ? o->batch : REGION_BATCH_DEFAULT;
	r->reconstruct = o->reconstruct;
	r->arg = o->arg;
	err = map(r->nr_pages * r->page, &r->data);
	if (!err)
		err = map_tables(r);
	if (!err && r->flags & SHRINK_REGION_WIPE_ON_FORK &&
	    shrink_os_wipe_on_fork(r->data, r->nr_pages * r->page) < 0)
		err = -ENOTSUP;
	if (!err)
		err = shrink_purge_enlist(r);
	return err < 0 ? err : add_shrinker(r, o->seeks);
}

static struct shrink_region *new_region(void)
{
	struct shrink_region *r = shrink_os_alloc(sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->alloc_lock, NULL);
	pthread_mutex_init(&r->flush_lock, NULL);
	pthread_mutex_init(&r->fill_lock, NULL);
	pthread_cond_init(&r->filled, NULL);
	shrink_list_init(&r->queue);
	shrink_list_init(&r->deferred);
	shrink_list_init(&r->lru);
	shrink_list_init(&r->in_regions);
	return r;
}

struct shrink_region *shrink_region_create(const struct shrink_region_options *options,
					   size_t options_size, size_t size, const char *fmt, ...)
{
	struct shrink_region_options o;
	struct shrink_region *r;
	va_list args;
	int err;

	take_options(options, options_size, &o);
	err = fmt && *fmt ? check(&o, size) : -EINVAL;
	r = err < 0 ? NULL : new_region();
	if (r) {
		va_start(args, fmt);
		vsnprintf(r->name, sizeof(r->name), fmt, args);
		va_end(args);
		err = *r->name ? set_up(r, &o, size) : -EINVAL;
	} else if (!err) {
		err = -ENOMEM;
	}
	if (err < 0) {
		shrink_region_destroy(r);
		errno = -err;
		return NULL;
	}
	return r;
}

/* Ranges beyond an object's own are the only thing that is not unmapped. */
static void free_ranges(struct shrink_region *r)
{
	for (uint32_t page = 0; r->tables && page < r->nr_pages; page++) {
		struct shrink_list dead;
		struct region_object *o;

		if (!r->used[page / 64]) {
			page |= 63;
			continue;
		}
		o = shrink_purge_lock(r, region_at(r, page));
		if (!o)
			continue;
		shrink_list_init(&dead);
		shrink_purge_ranges_forget(r, o, &dead);
		region_unlock(o);
		shrink_purge_ranges_free(&dead);
	}
}

void shrink_region_destroy(struct shrink_region *r)
{
	if (!r)
		return;
	shrinker_free(r->shrinker);
	shrink_purge_delist(r);
	free_ranges(r);
	shrink_os_map_unreserve(r->data, r->nr_pages * r->page);
	shrink_os_map_unreserve(r->tables, r->tables_size);
	pthread_cond_destroy(&r->filled);
	pthread_mutex_destroy(&r->fill_lock);
	pthread_mutex_destroy(&r->flush_lock);
	pthread_mutex_destroy(&r->alloc_lock);
	shrink_os_free(r);
}

struct shrinker *shrink_region_shrinker(struct shrink_region *r)
{
	return r ? r->shrinker : NULL;
}

int shrink_region_stats(struct shrink_region *r, struct shrink_region_stats *ret_stats, size_t size)
{
	struct shrink_region_stats st = {0};
	uint64_t lost;

	if (!r || !ret_stats || !size)
		return -EINVAL;
	st.size = (uint64_t)r->nr_pages * r->page;
	st.objects = load_relaxed(&r->nr_objects);
	st.unpinned_bytes = load_relaxed(&r->unpinned) * r->page;
	lost = load_relaxed(&r->lost) * r->page;
	st.pinned_bytes =
		shrink_sub_u64(load_relaxed(&r->allocated) * r->page, st.unpinned_bytes + lost);
	st.offered_bytes = load_relaxed(&r->offered) * r->page;
	st.kept = load_relaxed(&r->kept);
	st.purged = load_relaxed(&r->purged);
	st.cancelled = load_relaxed(&r->cancelled);
	st.purged_by_kernel_bytes = load_relaxed(&r->by_kernel) * r->page;
	st.purged_by_us_bytes = load_relaxed(&r->by_us) * r->page;
	st.collateral_bytes = load_relaxed(&r->collateral) * r->page;
	st.reconstructed = load_relaxed(&r->reconstructed);
	st.flushes = load_relaxed(&r->flushes);
	st.deferred = load_relaxed(&r->nr_deferred);
	st.trespasses = load_relaxed(&r->trespasses);
	st.offer_error = load_relaxed(&r->offer_error);
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &st, size < sizeof(st) ? size : sizeof(st));
	return 0;
}
