// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* What everybody does today: max_size, guessed so that the worst neighbour fits. */
#include "tests/lab/lab.h"

static int start(struct lab *lab, const char **ret_why)
{
	(void)lab;
	(void)ret_why;
	return 0;
}

const struct lab_policy lab_policy_fixed = {
	.name = "fixed",
	.summary = "max_size at half of what fits",
	.start = start,
	.cap_percent = 50,
};
