// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include <libshrink/api/conf.h>
#include <libshrink/base/conf.h>

/* The program's, if it has one: its address is 0 where it has none. */
#pragma weak shrink_conf

int shrink_conf_load(void)
{
	if (shrink_conf_loaded())
		return shrink_conf_kept_errors(NULL, 0);
	return shrink_conf_load_once(&shrink_conf ? shrink_conf : NULL,
				     secure_getenv("LIBSHRINK_CONF"));
}

/* The environment is read before the first value is set or shown: what it has set,
 * the program cannot change, and that must not depend on who came first. */
int shrink_conf_set(const char *key, const char *value)
{
	shrink_conf_load();
	return shrink_conf_set_one(key, value, SHRINK_CONF_API);
}

int shrink_conf_get(const char *key, char *buf, size_t size)
{
	shrink_conf_load();
	return shrink_conf_text(key, buf, size);
}

int shrink_conf_errors(char *buf, size_t size)
{
	shrink_conf_load();
	return shrink_conf_kept_errors(buf, size);
}

int shrink_conf_entry(unsigned int index, struct shrink_conf_entry *ret_entry)
{
	return shrink_conf_describe(index, ret_entry);
}
