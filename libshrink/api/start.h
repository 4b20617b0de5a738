/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Between start.c and the rest of the public functions. */
#ifndef SHRINK_API_START_H
#define SHRINK_API_START_H

#include <stdbool.h>

bool shrink_api_running(void);
bool shrink_api_simulated(void);

#endif /* SHRINK_API_START_H */
