// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What test-pool-asan.sh builds with AddressSanitizer, and the library without: each word
 * on the command line is one way to misuse a pool by reading. */
#include <stdio.h>
#include <string.h>

#include <shrink/shrink.h>

static int refuse_last;
static char *objects[64];

static enum shrink_evict evict(void *arg, void *object, size_t size)
{
	(void)arg;
	(void)size;
	if (refuse_last && object == objects[63])
		return SHRINK_BUSY;
	return SHRINK_EVICTED;
}

static int scan(struct shrink_pool *pool)
{
	struct shrinker *s = shrink_pool_shrinker(pool);
	struct shrink_pool_stats st;

	for (int i = 0; i < 4; i++) {
		struct shrink_control sc = {
			.gfp_mask = SHRINK_GFP_ALL, .nr_to_scan = 64, .nr_scanned = 64};

		s->scan_objects(s, &sc);
	}
	return !shrink_pool_stats(pool, &st, sizeof(st)) && st.evicted_objects >= 48;
}

static volatile char sink;

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	struct shrink_pool_options o = {.evict = evict};
	struct shrink_pool *pool;
	char *again;

	if (!strcmp(how, "beyond"))
		o.flags = SHRINK_POOL_DEBUG;
	pool = shrink_pool_create(&o, sizeof(o), "asan");
	for (int i = 0; pool && i < 64; i++) {
		objects[i] = shrink_pool_alloc(pool, 1000);
		if (!objects[i])
			return 3;
		memset(objects[i], i, 1000);
	}
	if (!pool)
		return 3;
	if (!strcmp(how, "freed") || !strcmp(how, "again"))
		shrink_pool_free(pool, objects[40]);
	refuse_last = !strcmp(how, "evicted");
	if ((refuse_last || !strcmp(how, "given-back")) && !scan(pool))
		return 3;
	if (!strcmp(how, "destroyed"))
		shrink_pool_destroy(pool);
	if (!strcmp(how, "freed"))
		sink = objects[40][500];
	else if (refuse_last)
		sink = objects[62][500];
	else if (!strcmp(how, "given-back"))
		sink = objects[0][0];
	else if (!strcmp(how, "beyond"))
		sink = objects[0][1000];
	if (!strcmp(how, "again")) { /* that is allowed */
		again = shrink_pool_alloc(pool, 1000);
		memset(again, 1, 1000);
		shrink_pool_free(pool, again);
	}
	if (strcmp(how, "destroyed"))
		shrink_pool_destroy(pool);
	puts("reached the end");
	return 0;
}
