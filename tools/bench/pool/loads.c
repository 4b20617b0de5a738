// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/pool/loads.h"

#define SKEW 0.9
#define SCAN_PART 4

const char *const load_names[LOADS] = {"zipf", "zipf+scan", "churn", "sizes shift"};

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double unit(void)
{
	return (double)(next() >> 11) / 9007199254740992.0;
}

/* The inverse of the continuous Zipf distribution: a rank below @n. */
static uint32_t zipf(uint32_t n)
{
	double top = pow(n, 1 - SKEW) - 1;
	double rank = pow(unit() * top + 1, 1 / (1 - SKEW)) - 1;

	return rank < n ? (uint32_t)rank : n - 1;
}

/* Log-uniform over 100 B .. 4 KiB; the key decides, in which half of time too. */
static uint32_t size_of(uint32_t key, int late)
{
	uint64_t h = (key + 1) * 0x9e3779b97f4a7c15ULL;
	double u = (double)(h >> 40) / (double)(1 << 24);

	if (late >= 0) /* sizes shift: 100 to 500 B, later 800 B to 4 KiB */
		return (uint32_t)(exp(log(100) + u * log(5)) * (late ? 8 : 1));
	return (uint32_t)exp(log(100) + u * log(40));
}

/* Ranks are strewn over keys, so that neighbours have nothing in common. */
static uint32_t strewn(uint32_t rank, uint32_t keys)
{
	return (uint32_t)((uint64_t)rank * 2654435761u % keys);
}

static void request(struct trace *t, enum load load, size_t i, uint32_t keys, uint32_t *scan)
{
	struct request *r = &t->requests[i];
	uint32_t rank = zipf(keys), moved;
	int late = load == LOAD_SHIFT ? i >= t->nr / 2 : -1;

	r->usec = i;
	r->key = strewn(rank, keys);
	if (load == LOAD_CHURN) {
		moved = (uint32_t)((double)i / (double)t->nr * 4 * keys);
		r->key = strewn((rank + moved) % keys, keys);
	} else if (load == LOAD_SCAN && i % SCAN_PART == 0) {
		r->key = keys + (*scan)++;
	} else if (late > 0) {
		r->key += keys; /* other objects, and larger */
	}
	r->size = size_of(r->key, late);
	t->key[r->key].size = r->size;
	t->bytes += r->size;
}

int load_make(struct trace *t, enum load load, size_t requests, uint32_t keys)
{
	uint32_t scan = 0;

	memset(t, 0, sizeof(*t));
	state = 88172645463325252ULL;
	t->nr = requests;
	t->keys.nr = keys;
	if (load == LOAD_SCAN)
		t->keys.nr += requests / SCAN_PART + 1;
	if (load == LOAD_SHIFT)
		t->keys.nr += keys;
	t->requests = calloc(requests, sizeof(*t->requests));
	t->key = calloc(t->keys.nr, sizeof(*t->key));
	if (!t->requests || !t->key)
		return -ENOMEM;
	for (size_t i = 0; i < requests; i++)
		request(t, load, i, keys, &scan);
	for (size_t k = 0; k < t->keys.nr; k++)
		t->footprint += t->key[k].size;
	return 0;
}
