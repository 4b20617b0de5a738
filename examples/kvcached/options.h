/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef KVCACHED_OPTIONS_H
#define KVCACHED_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shrink/version.h>

#define KVCACHED_TEXT_(x) #x
#define KVCACHED_TEXT(x)  KVCACHED_TEXT_(x)
/* Clients choose by this number how to speak: it names the memcached whose manners
 * ours are, then ourselves. */
#define KVCACHED_VERSION                                                                           \
	"1.6.18-kvcached-" KVCACHED_TEXT(SHRINK_VERSION_MAJOR)                                     \
	"." KVCACHED_TEXT(SHRINK_VERSION_MINOR) "." KVCACHED_TEXT(SHRINK_VERSION_PATCH)

#define OPTIONS_TENANTS_MAX 256

struct store;

struct options {
	const char *address;
	const char *port;
	unsigned int threads;
	size_t ceiling;		/* bytes, 0 = auto */
	unsigned int verbosity; /* changes at run time: options_verbosity() */
	const struct store *store;
	bool lruvec;		/* policy: two lists and working set, else the clock */
	bool purgeable;		/* large values are the kernel's to take */
	bool tenants;		/* a key's prefix says whose it is */
	char delimiter;		/* behind the prefix */
	const char *declared[OPTIONS_TENANTS_MAX]; /* as given to --tenant */
	unsigned int nr_declared;
};

#define OPTIONS_HELP 1 /* the help was asked for and printed */

/* 0 with *@ret_options written, OPTIONS_HELP, or -EINVAL after saying why. */
int options_parse(int argc, char **argv, struct options *ret_options);

const struct options *options_get(void);
unsigned int options_verbosity(void);
void options_set_verbosity(unsigned int verbosity);

#endif /* KVCACHED_OPTIONS_H */
