/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/kvcached/store.h"

#define THREADS_MAX   64
#define MEGABYTES_MAX (16ul * 1024 * 1024)

static struct options options = {
	.address = "127.0.0.1",
	.port = "11211",
	.threads = 4,
	.delimiter = ':',
	.store = &store_pool,
};

enum {
	OPTION_ALLOCATOR = 256,
	OPTION_POLICY,
	OPTION_PURGEABLE,
	OPTION_TENANTS,
	OPTION_TENANT,
	OPTION_DELIMITER
};

static const struct option long_options[] = {
	{"allocator", required_argument, NULL, OPTION_ALLOCATOR},
	{"policy", required_argument, NULL, OPTION_POLICY},
	{"purgeable", no_argument, NULL, OPTION_PURGEABLE},
	{"tenants", no_argument, NULL, OPTION_TENANTS},
	{"tenant", required_argument, NULL, OPTION_TENANT},
	{"delimiter", required_argument, NULL, OPTION_DELIMITER},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	puts("usage: kvcached [-p PORT] [-l ADDR] [-t THREADS] [-m MEGABYTES|auto] [-v] [-h]\n"
	     "                [--allocator=pool|malloc|jemalloc] [--policy=clock|lruvec]\n"
	     "                [--purgeable] [--tenants] [--delimiter=CHAR]\n"
	     "                [--tenant=NAME[,LIMIT=SIZE]...]...\n"
	     "A cache server that speaks memcached's text protocol and gives memory back\n"
	     "under pressure, by libshrink.\n"
	     "\n"
	     "  -p PORT            TCP port, 0 = any, printed (default 11211)\n"
	     "  -l ADDR            address to listen on (default 127.0.0.1)\n"
	     "  -t THREADS         worker threads, 1 to 64 (default 4)\n"
	     "  -m MEGABYTES|auto  ceiling for items; auto = all the memory there is, and\n"
	     "                     libshrink says when to give some back (default)\n"
	     "  -U 0               no UDP; taken for memcached's sake\n"
	     "  -v                 say more, repeatable\n"
	     "  -h, --help         this help\n"
	     "  --allocator=pool   where items lie: in slabs given back whole (default)\n"
	     "  --allocator=malloc ... malloc's heap: what comes back is its affair\n"
	     "  --allocator=jemalloc\n"
	     "                     ... an arena of jemalloc's, items on sparse slabs go first;\n"
	     "                     wants LD_PRELOAD=libjemalloc.so.2\n"
	     "  --policy=clock     who goes for a new item: second chance (default)\n"
	     "  --policy=lruvec    ... active and inactive list and working set: 40 bytes an\n"
	     "                     item more, and a scan or a loop does not empty the cache\n"
	     "  --purgeable        values of 4 KiB and more are the kernel's to take while nobody\n"
	     "                     reads them; what it took is a miss; with pool and clock only\n"
	     "  --tenants          a key's prefix says whose it is: acme:user:1 is acme's;\n"
	     "                     each tenant has its own memory, limits and protection;\n"
	     "                     keys of nobody's are the tenant's \"default\"\n"
	     "  --tenant=NAME[,LIMIT=SIZE]...\n"
	     "                     declare one, repeatable, 63 at most; implies --tenants.\n"
	     "                     Limits: min   not reclaimed below, whatever the pressure\n"
	     "                             low   not reclaimed below while others have more\n"
	     "                             high  over it: reclaimed\n"
	     "                             max   over it: its own items go, or stores fail\n"
	     "                     SIZE in bytes, or with k, m, g; none = no limit\n"
	     "  --delimiter=CHAR   behind the prefix (default :)\n"
	     "\n"
	     "At run time: tenant NAME new, tenant NAME [LIMIT SIZE]..., tenant NAME empty,\n"
	     "tenant NAME and stats tenants; README.md describes them.\n"
	     "LIBSHRINK_CONF configures libshrink, see libshrink.conf(5).");
}

/* A whole number within the range, or -EINVAL after saying so. */
static int parse_number(const char *name, const char *text, unsigned long min, unsigned long max,
			unsigned long *ret_value)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < min || value > max) {
		fprintf(stderr, "kvcached: %s %s: not a number from %lu to %lu\n", name, text, min,
			max);
		return -EINVAL;
	}
	*ret_value = value;
	return 0;
}

static int parse_memory(const char *text)
{
	unsigned long megabytes;
	int r;

	if (strcmp(text, "auto") == 0) {
		options.ceiling = 0;
		return 0;
	}
	r = parse_number("-m", text, 1, MEGABYTES_MAX, &megabytes);
	if (r == 0)
		options.ceiling = (size_t)megabytes << 20;
	return r;
}

static int parse_allocator(const char *text)
{
	const struct store *found = store_find(text);
	const char *why = found ? found->missing() : "pool, malloc or jemalloc";

	if (why) {
		fprintf(stderr, "kvcached: --allocator %s: %s\n", text, why);
		return -EINVAL;
	}
	options.store = found;
	return 0;
}

static int parse_policy(const char *text)
{
	options.lruvec = strcmp(text, "lruvec") == 0;
	if (options.lruvec || strcmp(text, "clock") == 0)
		return 0;
	fprintf(stderr, "kvcached: --policy %s: clock or lruvec\n", text);
	return -EINVAL;
}

static int parse_tenant(const char *text)
{
	options.tenants = true;
	if (options.nr_declared == OPTIONS_TENANTS_MAX) {
		fprintf(stderr, "kvcached: --tenant %s: too many tenants\n", text);
		return -EINVAL;
	}
	options.declared[options.nr_declared++] = text;
	return 0;
}

/* Not of a name's letters: nobody could tell where it ends. */
static int parse_delimiter(const char *text)
{
	if (strlen(text) != 1 || !ispunct((unsigned char)*text) || strchr("_.-,=", *text)) {
		fprintf(stderr,
			"kvcached: --delimiter %s: one character of punctuation, none of "
			"_ . - , =\n",
			text);
		return -EINVAL;
	}
	options.delimiter = *text;
	return 0;
}

static int parse_long_option(int option, const char *arg)
{
	switch (option) {
	case OPTION_ALLOCATOR:
		return parse_allocator(arg);
	case OPTION_POLICY:
		return parse_policy(arg);
	case OPTION_PURGEABLE:
		options.purgeable = true;
		return 0;
	case OPTION_TENANT:
		return parse_tenant(arg);
	case OPTION_DELIMITER:
		return parse_delimiter(arg);
	default:
		options.tenants = true;
		return 0;
	}
}

static int parse_option(int letter, char *arg)
{
	unsigned long value = 0;
	int r = 0;

	switch (letter) {
	case 'p':
		r = parse_number("-p", arg, 0, 65535, &value);
		options.port = arg;
		break;
	case 'l':
		options.address = arg;
		break;
	case 't':
		r = parse_number("-t", arg, 1, THREADS_MAX, &value);
		options.threads = (unsigned int)value;
		break;
	case 'm':
		return parse_memory(arg);
	case 'U':
		return parse_number("-U", arg, 0, 0, &value);
	case 'v':
		options.verbosity++;
		break;
	case 'h':
		print_help();
		return OPTIONS_HELP;
	case '?':
		fputs("kvcached: -h prints the options\n", stderr);
		return -EINVAL;
	default:
		return parse_long_option(letter, arg);
	}
	return r;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	int letter, r;

	while ((letter = getopt_long(argc, argv, "p:l:t:m:U:vh", long_options, NULL)) != -1) {
		r = parse_option(letter, optarg);
		if (r)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "kvcached: %s: what is this?\n", argv[optind]);
		return -EINVAL;
	}
	if (options.purgeable && (options.lruvec || options.store != &store_pool)) {
		fputs("kvcached: --purgeable: with --allocator=pool and --policy=clock only\n",
		      stderr);
		return -EINVAL;
	}
	*ret_options = options;
	return 0;
}

const struct options *options_get(void)
{
	return &options;
}

unsigned int options_verbosity(void)
{
	return __atomic_load_n(&options.verbosity, __ATOMIC_RELAXED);
}

void options_set_verbosity(unsigned int verbosity)
{
	__atomic_store_n(&options.verbosity, verbosity, __ATOMIC_RELAXED);
}
