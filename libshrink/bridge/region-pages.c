// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Which pages of a region are taken: a bit each, searched from where the last search
 * ended. Address space is cheap and objects are large, so that a bitmap, 32 KiB for
 * each GiB, is as much as it takes.
 */
#include <libshrink/bridge/region.h>

static bool taken(const struct shrink_region *r, uint32_t page)
{
	return r->used[page / 64] >> page % 64 & 1;
}

/* The next page from @page on that is free (or taken), at most @end. */
static uint32_t seek(const struct shrink_region *r, uint32_t page, uint32_t end, bool is_taken)
{
	while (page < end) {
		uint64_t word = is_taken ? r->used[page / 64] : ~r->used[page / 64];

		word >>= page % 64;
		if (word) {
			page += (uint32_t)__builtin_ctzll(word);
			break;
		}
		page = (page / 64 + 1) * 64;
	}
	return page < end ? page : end;
}

static uint32_t find(const struct shrink_region *r, uint32_t from, uint32_t end, uint32_t nr)
{
	while (from < end) {
		uint32_t first = seek(r, from, end, false);
		uint32_t last = (uint32_t)shrink_min_u64((uint64_t)first + nr, end);

		if (last - first < nr)
			return UINT32_MAX;
		from = seek(r, first, last, true);
		if (from == last)
			return first;
	}
	return UINT32_MAX;
}

static void flip(struct shrink_region *r, uint32_t first, uint32_t nr)
{
	for (uint32_t page = first; page < first + nr; page++)
		r->used[page / 64] ^= UINT64_C(1) << page % 64;
}

uint32_t shrink_purge_pages_take(struct shrink_region *r, uint32_t nr)
{
	uint32_t first;

	pthread_mutex_lock(&r->alloc_lock);
	first = find(r, r->next_fit, r->nr_pages, nr);
	if (first == UINT32_MAX && r->next_fit)
		first = find(r, 0, r->nr_pages, nr);
	if (first != UINT32_MAX) {
		flip(r, first, nr);
		r->next_fit = first + nr < r->nr_pages ? first + nr : 0;
	}
	pthread_mutex_unlock(&r->alloc_lock);
	return first;
}

void shrink_purge_pages_give(struct shrink_region *r, uint32_t first, uint32_t nr)
{
	pthread_mutex_lock(&r->alloc_lock);
	if (taken(r, first))
		flip(r, first, nr);
	pthread_mutex_unlock(&r->alloc_lock);
}
