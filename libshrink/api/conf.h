/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Where the configuration comes from. */
#ifndef SHRINK_API_CONF_H
#define SHRINK_API_CONF_H

/* Reads the program's `shrink_conf` and the environment's LIBSHRINK_CONF (not in a
 * setuid program) the first time it is called; errors are logged and kept. Returns
 * the number of errors so far. Not from callbacks. */
int shrink_conf_load(void);

#endif /* SHRINK_API_CONF_H */
