// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Usage: conf-show KEY[=VALUE]... | keys
 *
 * A program with a configuration of its own. Sets or prints each key through the
 * public calls; "secure" tells whether the kernel runs it as setuid.
 */
#include <shrink/conf.h>
#include <shrink/version.h>

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

const char *shrink_conf = "low_percent:11,high_bytes:11,min_yield:11";

static void show(const char *key)
{
	char buf[300] = "";
	int r = shrink_conf_get(key, buf, sizeof(buf));

	if (r < 0)
		printf("%s: %d\n", key, r);
	else
		printf("%s=%s\n", key, buf);
}

static void set(char *arg, char *equals)
{
	*equals = '\0';
	printf("%s: %d\n", arg, shrink_conf_set(arg, equals + 1));
}

static void list_keys(void)
{
	struct shrink_conf_entry e;

	for (unsigned int i = 0; !shrink_conf_entry(i, &e); i++)
		puts(e.name);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!strcmp(argv[i], "secure"))
			printf("secure=%lu\n", getauxval(AT_SECURE));
		else if (!strcmp(argv[i], "keys"))
			list_keys();
		else if (!strcmp(argv[i], "errors"))
			printf("errors=%d\n", shrink_conf_errors(NULL, 0));
		else if (equals)
			set(argv[i], equals);
		else
			show(argv[i]);
	}
	return shrink_version() ? 0 : 1;
}
