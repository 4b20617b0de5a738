// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/bits.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/os/clock.h>
#include <libshrink/reclaim/memcg-throttle.h>

#define PRECISION 20
#define SCALING 14
#define BATCH_PAGES 64
#define PAGE 4096
#define DELAY_MAX_USEC 2000000
#define DELAY_MIN_USEC 10000

/* What this thread owes: the group by id, since it may be gone by then. */
static __thread struct {
	int id;
	uint64_t serial; /* another may have its id */
	uint64_t bytes;
} owed __attribute__((tls_model("initial-exec")));

uint64_t shrink_throttle_usec(uint64_t usage, uint64_t high, uint64_t pages)
{
	uint64_t over, msec, usec;

	if (usage <= high)
		return 0;
	over = shrink_mul_div(usage - high, 1ULL << PRECISION, high ? high : 1);
	/* an excess beyond 64 times high is the longest delay anyway */
	over = shrink_min_u64(over, 64ULL << PRECISION);
	msec = over * over / (1ULL << PRECISION) * 1000 / (1ULL << SCALING);
	usec = shrink_mul_div(msec * 1000, pages, BATCH_PAGES);
	usec = shrink_min_u64(usec, DELAY_MAX_USEC);
	return usec <= DELAY_MIN_USEC ? 0 : usec;
}

void shrink_throttle_owe(struct shrink_memcg *memcg, uint64_t bytes)
{
	if (owed.serial != memcg->serial)
		owed.bytes = 0;
	owed.id = memcg->id;
	owed.serial = memcg->serial;
	owed.bytes = shrink_add_u64(owed.bytes, bytes);
}

static uint64_t delay_of(struct shrink_memcg *memcg, uint64_t pages)
{
	uint64_t worst = 0;

	for (; memcg->parent; memcg = memcg->parent)
		worst = shrink_max_u64(worst, shrink_throttle_usec(
			shrink_memcg_usage_now(memcg),
			shrink_memcg_limit_now(memcg, SHRINK_MEMCG_LIMIT_HIGH), pages));
	return worst;
}

uint64_t shrink_throttle_owed(void)
{
	struct shrink_memcg *memcg;
	uint64_t usec, pages = owed.bytes / PAGE;

	if (!owed.bytes)
		return 0;
	owed.bytes = 0;
	memcg = shrink_memcg_by_id(owed.id);
	if (!memcg)
		return 0;
	usec = memcg->serial == owed.serial ? delay_of(memcg, shrink_max_u64(pages, 1)) : 0;
	if (usec)
		atomic_fetch_add_explicit(&memcg->account->throttled_usec, usec,
					  memory_order_relaxed);
	shrink_memcg_put(memcg);
	return usec;
}

uint64_t shrink_throttle(void)
{
	uint64_t usec = shrink_throttle_owed();

	if (usec)
		shrink_os_sleep(usec);
	return usec;
}
