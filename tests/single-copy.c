// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A plug-in with a copy of the claim of its own, for test-single.c. */
#include <libshrink/os/single.h>

#include "tests/single-copy.h"

__attribute__((visibility("default"))) int single_copy_claim(void)
{
	return shrink_os_single_claim();
}

__attribute__((visibility("default"))) void single_copy_release(void)
{
	shrink_os_single_release();
}
