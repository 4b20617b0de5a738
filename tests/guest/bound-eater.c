// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Takes memory of one node, at a pace, and holds it:
 *
 *	bound-eater NODE MIB MSEC
 */
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1024UL * 1024)

int main(int argc, char **argv)
{
	unsigned long mask, mib;
	char *p;

	if (argc != 4)
		return 2;
	mask = 1UL << atoi(argv[1]);
	mib = strtoul(argv[2], NULL, 0);
	p = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || madvise(p, mib * MIB, MADV_NOHUGEPAGE) < 0 ||
	    syscall(SYS_mbind, p, mib * MIB, MPOL_BIND, &mask, 64UL, 0) < 0)
		return 3;
	for (unsigned long i = 0; i < mib; i++) {
		memset(p + i * MIB, 1, MIB);
		usleep(20000); /* what it takes from us a busy machine must have time to give */
	}
	puts("done");
	fflush(stdout);
	usleep((unsigned int)atoi(argv[3]) * 1000U);
	return 0;
}
