/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Memory groups. Until the tree grows there is the root: the process itself. */
#ifndef SHRINK_CORE_MEMCG_H
#define SHRINK_CORE_MEMCG_H

#include <shrink/reclaim.h>

struct shrink_memcg {
	struct shrink_memcg *parent; /* NULL: the root */
	const char *name;
};

extern struct shrink_memcg shrink_memcg_root_group;

#endif /* SHRINK_CORE_MEMCG_H */
