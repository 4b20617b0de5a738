// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What the calling thread is in. Initial-exec: the first access of a thread must
 * not allocate, since it may come from a failed allocation (G6); the few words
 * fit into what the C library keeps free for late-loaded libraries.
 */
#include <libshrink/core/core.h>

__thread struct shrink_context shrink_context;

shrink_gfp_t shrink_scope_save(shrink_gfp_t deny)
{
	shrink_gfp_t saved = shrink_context.deny;

	shrink_context.deny |= deny;
	return saved;
}

void shrink_scope_restore(shrink_gfp_t saved)
{
	shrink_context.deny = saved;
}
