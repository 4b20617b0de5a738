// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/reclaim/record.h>

#define RECORDS 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_round ring[RECORDS];
static uint64_t added;

void shrink_record_add(const struct shrink_round *round)
{
	pthread_mutex_lock(&lock);
	ring[added++ % RECORDS] = *round;
	pthread_mutex_unlock(&lock);
}

void shrink_record_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_record_fork_done(void)
{
	pthread_mutex_unlock(&lock);
}

int shrink_rounds(struct shrink_round *ret_rounds, unsigned int max, size_t size)
{
	char *out = (char *)ret_rounds;
	uint64_t n;

	if ((!ret_rounds && max) || !size)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	n = shrink_min_u64(shrink_min_u64(added, RECORDS), max);
	for (uint64_t i = 0; i < n; i++, out += size) {
		const struct shrink_round *r = &ring[(added - 1 - i) % RECORDS];

		memset(out, 0, size);
		memcpy(out, r, size < sizeof(*r) ? size : sizeof(*r));
	}
	pthread_mutex_unlock(&lock);
	return (int)n;
}
