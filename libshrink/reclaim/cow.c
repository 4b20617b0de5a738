// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <stdatomic.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/reclaim/cow.h>

#define SOME_PERCENT 5 /* shared: worth another look when too little comes back */
#define MOST_PERCENT 50

static int fd = -1;
static _Atomic bool forked;

/*
 * Pages of ours that somebody else maps as well are "shared"; those of files apart,
 * they are dirty, since no file holds what they hold. Pages of a shared mapping are
 * shared and dirty too: these do go when freed, so it takes most of all to be
 * convinced.
 */
unsigned int shrink_cow_percent(const char *smaps)
{
	uint64_t shared, own;

	if (shrink_parse_field(smaps, "Shared_Dirty", &shared) < 0 ||
	    shrink_parse_field(smaps, "Private_Dirty", &own) < 0 || !shared)
		return 0;
	return (unsigned int)shrink_mul_div(shared, 100, shrink_add_u64(shared, own));
}

static unsigned int look(void)
{
	char text[2048];

	return shrink_os_pread(fd, text, sizeof(text)) > 0 ? shrink_cow_percent(text) : 0;
}

void shrink_cow_prepare(void)
{
	int r;

	if (fd >= 0)
		return;
	r = shrink_os_smaps_open();
	fd = r < 0 ? -1 : r; /* before 4.14 there is none */
	if (fd >= 0 && look() >= SOME_PERCENT)
		shrink_cow_forked();
}

void shrink_cow_forked(void)
{
	atomic_store_explicit(&forked, true, memory_order_relaxed);
}

void shrink_cow_fork_child(void)
{
	fd = -1;
	shrink_cow_forked();
}

bool shrink_cow_shared(void)
{
	return atomic_load_explicit(&forked, memory_order_relaxed) && fd >= 0 &&
	       look() >= MOST_PERCENT;
}
