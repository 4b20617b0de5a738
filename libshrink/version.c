// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <shrink/version.h>

unsigned int shrink_version(void)
{
	return SHRINK_VERSION_MAJOR << 16 | SHRINK_VERSION_MINOR << 8 | SHRINK_VERSION_PATCH;
}
