// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * libshrink, with nothing told but the headroom that the others are told as well.
 * What a user would write: two callbacks, or the pool's one.
 */
#include <errno.h>
#include <stdio.h>

#include <shrink/fast.h>
#include <shrink/shrink.h>

#include "tests/lab/lab.h"

static struct shrinker *shrinker;

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	struct lab *lab = s->private_data;
	uint64_t n = store_objects(&lab->store);

	(void)sc;
	return n ? (unsigned long)n : SHRINK_EMPTY;
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	struct lab *lab = s->private_data;
	uint64_t bytes = store_evict(&lab->store, sc->nr_to_scan, true);

	atomic_fetch_add(&lab->decisions, 1);
	sc->bytes_freed = bytes;
	return (unsigned long)(bytes / lab->store.object_bytes);
}

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	(void)size;
	return store_take(&((struct lab *)arg)->store, object) ? SHRINK_EVICTED : SHRINK_BUSY;
}

static int make_pool(struct lab *lab)
{
	struct shrink_pool_options options = {.evict = evict, .arg = lab};

	lab->store.pool = shrink_pool_create(&options, sizeof(options), "lab");
	return lab->store.pool ? 0 : -errno;
}

static int make_shrinker(struct lab *lab)
{
	shrinker = shrinker_alloc(0, "lab");
	if (!shrinker)
		return -errno;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->private_data = lab;
	shrinker->object_size = lab->store.object_bytes;
	return shrinker_register(shrinker);
}

static int start(struct lab *lab, const char **ret_why)
{
	char text[32];
	int r;

	*ret_why = "libshrink could not start";
	r = lab->store.pool ? 0 : make_shrinker(lab);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)lab->headroom);
	shrink_conf_set("low_bytes", text);
	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)(lab->headroom + lab->headroom / 8));
	shrink_conf_set("high_bytes", text);
	return shrink_start(0);
}

static void stop(struct lab *lab)
{
	(void)lab;
	shrink_stop();
	shrinker_free(shrinker);
}

static bool may_grow(struct lab *lab)
{
	(void)lab;
	return shrink_may_grow();
}

static void shrink(struct lab *lab, uint64_t bytes)
{
	(void)lab;
	shrink_all_memory(bytes);
}

const struct lab_policy lab_policy_libshrink = {
	.name = "libshrink",
	.summary = "libshrink",
	.start = start,
	.stop = stop,
	.may_grow = may_grow,
	.make_pool = make_pool,
	.shrink = shrink,
};
