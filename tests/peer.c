// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A process that runs libshrink, and waits to be found. */
#include <unistd.h>

#include <shrink/shrink.h>

int main(void)
{
	if (shrink_start(0) < 0)
		return 1;
	alarm(30);
	for (;;)
		pause();
}
