/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/store.h"

#include <string.h>

#include "examples/kvcached/lists.h"
#include "examples/kvcached/purge.h"

static const struct store *const stores[] = {&store_pool, &store_malloc, &store_jemalloc};
size_t item_head;
static const struct store *in_use = &store_pool;

const struct store *store_find(const char *name)
{
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		if (strcmp(stores[i]->name, name) == 0)
			return stores[i];
	}
	return NULL;
}

void store_use(const struct store *chosen)
{
	in_use = chosen;
	if (lists_on())
		item_head = sizeof(struct shrink_lruvec_item);
	else
		item_head = chosen->knows_order && !purge_on() ? 0 : sizeof(struct ring_node);
}

const struct store *store(void)
{
	return in_use;
}
