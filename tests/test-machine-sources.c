// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Swap, and the memory nodes' watermarks, on made-up machines. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <shrink/conf.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/source/source.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"

#define MIB (1024ULL * 1024)
#define MS NSEC_PER_MSEC

static struct shrink_cgroup cg;
static struct shrink_source src;

static void machine(unsigned int swap_free_mib)
{
	fakeroot_file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n"
		      "SwapTotal: 1048576 kB\nSwapFree: %u kB\n", swap_free_mib * 1024);
}

static void ours(unsigned int out_mib)
{
	fakeroot_file("/proc/self/status", "RssAnon:\t 5 kB\nRssShmem:\t 0 kB\nVmSwap:\t %u kB\n",
		      out_mib * 1024);
}

static void group2(unsigned int out_mib, const char *max)
{
	fakeroot_file("/u/own/memory.current", "1\n");
	fakeroot_file("/u/own/memory.swap.current", "%llu\n", out_mib * MIB);
	fakeroot_file("/u/own/memory.swap.max", "%s\n", max);
}

static void begin(int version)
{
	fakeroot_begin();
	machine(1024);
	ours(0);
	if (version == 2) {
		fakeroot_file("/proc/self/cgroup", "0::/own\n");
		fakeroot_file("/proc/self/mountinfo",
			      "41 31 0:38 / /u rw - cgroup2 cgroup2 rw\n");
		group2(0, "max");
	} else if (version == 1) {
		fakeroot_file("/proc/self/cgroup", "4:memory:/own\n");
		fakeroot_file("/proc/self/mountinfo",
			      "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
		fakeroot_file("/m/own/memory.usage_in_bytes", "4096\n");
	}
	shrink_os_cgroup_open(&cg);
}

static int open_source(const struct shrink_source_ops *ops)
{
	memset(&src, 0, sizeof(src));
	src.ops = ops;
	src.cgroup = &cg;
	return ops->open(&src);
}

static void end(void)
{
	src.ops->close(&src);
	src.ops->close(&src);
	shrink_os_cgroup_close(&cg);
	ASSERT_INT(shrink_os_fd_count(), 0);
	fakeroot_end();
}

static struct shrink_signal sample(uint64_t now)
{
	struct shrink_signal sig = {0};

	ASSERT_INT(src.ops->sample(&src, now, &sig), 0);
	CU_ASSERT(src.next_sample > now);
	return sig;
}

static void test_own_swap(void)
{
	struct shrink_signal sig;

	begin(0);
	ours(3);
	ASSERT_INT(open_source(&shrink_source_swap), 0);
	ASSERT_INT(sample(0).stall, 0); /* what is out already is nobody's fault now */
	machine(700);
	ASSERT_INT(sample(1 * MS).stall, 0); /* strangers' */
	ours(4);
	sig = sample(2 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_LOW);
	ASSERT_INT(sig.priority, 12);
	ASSERT_INT(sig.recheck, 1);
	ASSERT_INT(src.next_sample, 102 * MS);
	ASSERT_INT(sample(3 * MS).stall, 0);
	ours(6);
	machine(100);
	ASSERT_INT(sample(4 * MS).stall, SHRINK_LEVEL_MEDIUM);
	ours(8);
	machine(10);
	sig = sample(5 * MS);
	ASSERT_INT(sig.stall, SHRINK_LEVEL_CRITICAL);
	ASSERT_INT(sig.priority, 2);
	/* full, and nothing of ours goes there: only watched more closely (G7) */
	sig = sample(6 * MS);
	ASSERT_INT(sig.stall, 0);
	ASSERT_INT(sig.hint, 1);
	/* back in; out again counts anew */
	ours(2);
	ASSERT_INT(sample(7 * MS).stall, 0);
	ours(4);
	ASSERT_INT(sample(8 * MS).stall, SHRINK_LEVEL_CRITICAL);
	for (uint64_t t = 10; t < 100; t++)
		sample(t * MS);
	ASSERT_INT(src.next_sample, 2099 * MS); /* quiet: less and less */
	end();
}

static void test_group_swap(void)
{
	begin(2);
	group2(10, "104857600");
	ASSERT_INT(open_source(&shrink_source_swap), 0);
	CU_ASSERT_PTR_NULL(src.gauge);
	ASSERT_INT(sample(0).stall, 0);
	group2(20, "104857600");
	ASSERT_INT(sample(1).stall, SHRINK_LEVEL_LOW);
	group2(95, "104857600"); /* the machine has room, the group has not */
	ASSERT_INT(sample(2).stall, SHRINK_LEVEL_MEDIUM);
	group2(100, "104857600");
	ASSERT_INT(sample(3).stall, SHRINK_LEVEL_CRITICAL);
	group2(102, "max"); /* the limit goes */
	ASSERT_INT(sample(4).stall, SHRINK_LEVEL_LOW);
	group2(104, "0");
	ASSERT_INT(sample(5).stall, SHRINK_LEVEL_CRITICAL);
	end();
}

static void test_memsw(void)
{
	struct shrink_gauge_reading r;

	begin(1);
	fakeroot_file("/m/own/memory.memsw.usage_in_bytes", "%llu\n", 70 * MIB);
	fakeroot_file("/m/own/memory.memsw.limit_in_bytes", "%llu\n", 100 * MIB);
	fakeroot_file("/m/own/memory.stat", "total_inactive_file 1048576\n");
	fakeroot_file("/m/memory.usage_in_bytes", "4096\n");
	fakeroot_file("/m/memory.memsw.usage_in_bytes", "%llu\n", 90 * MIB);
	fakeroot_file("/m/memory.memsw.limit_in_bytes", "9223372036854771712\n");
	shrink_os_cgroup_close(&cg);
	shrink_os_cgroup_open(&cg);
	ASSERT_INT(open_source(&shrink_source_swap), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(src.gauge);
	ASSERT_INT(src.gauge->read(src.gauge, 0, &r), 0);
	ASSERT_INT(r.limit, 100 * MIB);
	ASSERT_INT(r.usage, 70 * MIB);
	ASSERT_INT(r.kind, SHRINK_LIMIT_CGROUP1);
	CU_ASSERT_STRING_EQUAL(r.path, "/m/own");
	ASSERT_INT(r.reclaimable, 0);
	ASSERT_INT(src.gauge->read(src.gauge, 1, &r), 0);
	ASSERT_INT(r.reclaimable, MIB);
	/* one above us becomes the tighter one, at run time */
	fakeroot_file("/m/memory.memsw.limit_in_bytes", "%llu\n", 91 * MIB);
	ASSERT_INT(src.gauge->read(src.gauge, 0, &r), 0);
	ASSERT_INT(r.limit, 91 * MIB);
	CU_ASSERT_STRING_EQUAL(r.path, "/m");
	end();
}

static void test_no_swap(void)
{
	begin(0);
	fakeroot_file("/proc/meminfo", "MemTotal: 9 kB\nMemAvailable: 5 kB\nSwapTotal: 0 kB\n");
	ASSERT_INT(open_source(&shrink_source_swap), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(src.reason, "no swap"));
	ASSERT_INT(sample(0).hint, 0);
	src.ops->close(&src);
	fakeroot_remove("/proc/meminfo");
	ASSERT_INT(open_source(&shrink_source_swap), -ENOENT);
	ASSERT_INT(shrink_conf_set("swap", "off"), 0);
	ASSERT_INT(open_source(&shrink_source_swap), -ECANCELED);
	ASSERT_INT(shrink_conf_set("swap", "on"), 0);
	end();
}

static void nodes(unsigned int free_pages, unsigned int file_pages)
{
	fakeroot_file("/proc/zoneinfo",
		      "Node 0, zone Normal\n  per-node stats\n nr_active_file %u\n"
		      "  pages free %u\n min 100\n low 125\n high 150\n managed 10000\n"
		      "Node 1, zone Normal\n  pages free 9000\n min 100\n low 125\n high 150\n"
		      " managed 10000\n", file_pages, free_pages);
}

static void test_zones(void)
{
	struct shrink_gauge_reading r;
	uint64_t page = shrink_os_page_size();

	begin(0);
	ASSERT_INT(open_source(&shrink_source_zones), -ENOENT);
	nodes(5000, 1000);
	ASSERT_INT(shrink_conf_set("zones", "off"), 0);
	ASSERT_INT(open_source(&shrink_source_zones), -ECANCELED);
	ASSERT_INT(shrink_conf_set("zones", "on"), 0);
	ASSERT_INT(open_source(&shrink_source_zones), 0);
	ASSERT_INT(src.gauge->read(src.gauge, 1, &r), 0);
	ASSERT_INT(r.limit, 20000 * page);
	/* free less what is kept, and all of the cache but low */
	ASSERT_INT(r.usage, (20000 - (5000 - 150 + 1000 - 125) - (9000 - 150)) * page);
	ASSERT_INT(r.kind, SHRINK_LIMIT_MEMORY);
	src.muted = 1; /* MemAvailable works */
	ASSERT_INT(src.gauge->read(src.gauge, 1, &r), 0);
	CU_ASSERT(r.limit == UINT64_MAX);

	ASSERT_INT(sample(0).hint, 0);
	ASSERT_INT(src.next_sample, 2000 * MS);
	nodes(140, 5000); /* kswapd is awake, but there is cache to take: no shortage */
	ASSERT_INT(sample(1 * MS).hint, 0);
	nodes(140, 200); /* one node is short, the other has plenty */
	ASSERT_INT(sample(2 * MS).hint, 1);
	ASSERT_INT(src.next_sample, 102 * MS);
	ASSERT_INT(sample(2 * MS).stall, 0); /* may be strangers' */
	end();
}

static const struct test tests[] = {
	{"swap: what of ours goes out", test_own_swap},
	{"swap: a v2 group's", test_group_swap},
	{"swap: v1, memory and swap together", test_memsw},
	{"G9: swap: none, or nothing known", test_no_swap},
	{"zones", test_zones},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "machine-sources", tests);
}
