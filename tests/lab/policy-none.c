// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A cache that takes what fits and gives nothing back: the neighbour's problem. */
#include "tests/lab/lab.h"

static int start(struct lab *lab, const char **ret_why)
{
	(void)lab;
	(void)ret_why;
	return 0;
}

const struct lab_policy lab_policy_none = {
	.name = "none",
	.summary = "takes what fits, gives nothing back",
	.start = start,
};
