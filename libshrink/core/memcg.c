// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/core/memcg.h>

struct shrink_memcg shrink_memcg_root_group = {.parent = NULL, .name = "/"};

struct shrink_memcg *shrink_memcg_root(void)
{
	return &shrink_memcg_root_group;
}
