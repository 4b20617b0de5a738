/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX   64
#define MEGABYTES_MAX (16ul * 1024 * 1024)

static struct options options = {
	.address = "127.0.0.1",
	.port = "11211",
	.threads = 4,
};

static void print_help(void)
{
	puts("usage: kvcached [-p PORT] [-l ADDR] [-t THREADS] [-m MEGABYTES|auto] [-v] [-h]\n"
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
	     "  -h                 this help\n"
	     "\n"
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
	default:
		fputs("kvcached: -h prints the options\n", stderr);
		return -EINVAL;
	}
	return r;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	int letter, r;

	while ((letter = getopt(argc, argv, "p:l:t:m:U:vh")) != -1) {
		r = parse_option(letter, optarg);
		if (r)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "kvcached: %s: what is this?\n", argv[optind]);
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
