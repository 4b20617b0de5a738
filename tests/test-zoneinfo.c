// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Memory nodes by themselves: watermarks and what is available, by the kernel's rules. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/zoneinfo.h>

#include "tests/fakeroot.h"
#include "tests/harness.h"

#define PAGE shrink_os_page_size()

/* Two nodes: 0 with a small and a large zone, 1 with one; an empty zone between. */
static void write_two_nodes(unsigned long free0, unsigned long free1)
{
	fakeroot_file("/proc/zoneinfo",
		      "Node 0, zone      DMA\n"
		      "  per-node stats\n"
		      "      nr_inactive_anon 15\n"
		      "      nr_inactive_file 3000\n"
		      "      nr_active_file 1000\n"
		      "      nr_slab_reclaimable 400\n"
		      "      nr_dirty     70\n"
		      "      nr_writeback 30\n"
		      "      nr_writeback_temp 999\n"
		      "      nr_kernel_misc_reclaimable 100\n"
		      "  pages free     3840\n"
		      "        boost    0\n"
		      "        min      37\n"
		      "        low      46\n"
		      "        high     55\n"
		      "        promo    64\n"
		      "        spanned  4095\n"
		      "        managed  3840\n"
		      "        protection: (0, 3019, 6731, 6731, 6731)\n"
		      "      nr_free_pages 3840\n"
		      "  pagesets\n"
		      "    cpu: 0\n"
		      "              count:    77\n"
		      "    cpu: 1\n"
		      "              count:    3\n"
		      "              high:     888\n"
		      "              high_min: 23\n"
		      "Node 0, zone   Normal\n"
		      "  pages free     %lu\n"
		      "        min      1000\n"
		      "        low      1250\n"
		      "        high     1500\n"
		      "        managed  100000\n"
		      "        protection: (0, 0, 0, 0, 0)\n"
		      "Node 0, zone  Movable\n"
		      "  pages free     0\n"
		      "        min      32\n"
		      "        low      32\n"
		      "        high     32\n"
		      "        managed  0\n"
		      "        protection: (0, 0, 0, 0, 0)\n"
		      "Node 1, zone   Normal\n"
		      "  per-node stats\n"
		      "      nr_inactive_file 10\n"
		      "  pages free     %lu\n"
		      "        min      500\n"
		      "        low      625\n"
		      "        high     750\n"
		      "        managed  50000\n"
		      "        protection: (0, 0, 0, 0, 0)\n",
		      free0, free1);
}

static struct shrink_zoneinfo read_it(void)
{
	struct shrink_zoneinfo info = {0};
	int fd = shrink_os_zoneinfo_open();

	CU_ASSERT(fd >= 0);
	ASSERT_INT(shrink_os_zoneinfo_read(fd, &info), 0);
	shrink_os_close(fd);
	return info;
}

static void test_zones(void)
{
	struct shrink_zoneinfo info;

	fakeroot_begin();
	write_two_nodes(20000, 700);
	info = read_it();
	ASSERT_INT(info.nr_nodes, 2);
	ASSERT_INT(info.node[0].managed, 103840 * PAGE);
	ASSERT_INT(info.node[0].free, 23840 * PAGE);
	ASSERT_INT(info.node[0].min, 1037 * PAGE);
	ASSERT_INT(info.node[0].low, 1296 * PAGE);
	ASSERT_INT(info.node[0].high, 1555 * PAGE);
	/* the DMA zone is all kept from users, however much is free there */
	ASSERT_INT(info.node[0].reserve, (3840 + 1500) * PAGE);
	ASSERT_INT(info.node[0].above_low, (20000 - 1250) * PAGE);
	ASSERT_INT(info.node[0].above_high, (20000 - 1500) * PAGE);
	ASSERT_INT(info.node[0].listed, 80 * PAGE);
	ASSERT_INT(info.node[1].listed, 0);
	ASSERT_INT(info.node[0].file, 4000 * PAGE);
	ASSERT_INT(info.node[0].dirty, 100 * PAGE);
	ASSERT_INT(info.node[0].slab, 500 * PAGE);
	ASSERT_INT(info.node[1].managed, 50000 * PAGE);
	ASSERT_INT(info.node[1].above_low, 75 * PAGE);
	ASSERT_INT(info.node[1].above_high, 0);
	ASSERT_INT(info.node[1].file, 10 * PAGE);
	ASSERT_INT(info.node[2].managed, 0);
	fakeroot_end();
}

/* What wakes kswapd and what lets it sleep, at the very page. */
static void test_edges(void)
{
	struct shrink_zoneinfo info;

	fakeroot_begin();
	write_two_nodes(1250, 626);
	info = read_it();
	ASSERT_INT(info.node[0].above_low, 0); /* though DMA alone has 3840 free */
	ASSERT_INT(info.node[1].above_low, PAGE);
	write_two_nodes(1251, 625);
	info = read_it();
	ASSERT_INT(info.node[0].above_low, PAGE);
	ASSERT_INT(info.node[1].above_low, 0);
	fakeroot_end();
}

/* Longer than any buffer, nodes with high ids, a last line without its end. */
static void test_long(void)
{
	static char text[200000];
	struct shrink_zoneinfo info;
	size_t n = 0;

	fakeroot_begin();
	for (int node = 0; node < 70; node++) {
		n += (size_t)sprintf(text + n, "Node %d, zone Normal\n  pages free %d\n", node,
				     node + 1);
		for (int cpu = 0; cpu < 80; cpu++)
			n += (size_t)sprintf(text + n, "  cpu: %d\n  high:  5\n", cpu);
		n += (size_t)sprintf(text + n, "  managed 100\n");
	}
	fakeroot_bytes("/proc/zoneinfo", text, n - 1);
	info = read_it();
	ASSERT_INT(info.nr_nodes, SHRINK_NODES_MAX);
	for (int node = 0; node < SHRINK_NODES_MAX; node++) {
		ASSERT_INT(info.node[node].free, (uint64_t)(node + 1) * PAGE);
		ASSERT_INT(info.node[node].managed, 100 * PAGE);
	}
	fakeroot_end();
}

static void test_broken(void)
{
	static const char *const texts[] = {
		"", "\n\n", "Node 0", "Node , zone x\n", "Node 99999999999999999999, zone x\n",
		"Node 64, zone Normal\n managed 5\n", "managed 5\nfree 7\n"};
	struct shrink_zoneinfo info;
	int fd;

	fakeroot_begin();
	ASSERT_INT(shrink_os_zoneinfo_open(), -ENOENT);
	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(texts); i++) {
		fakeroot_file("/proc/zoneinfo", "%s", texts[i]);
		fd = shrink_os_zoneinfo_open();
		ASSERT_INT(shrink_os_zoneinfo_read(fd, &info), -EINVAL);
		shrink_os_close(fd);
	}
	/* numbers that are not, or do not fit, leave 0; sums do not wrap */
	fakeroot_file("/proc/zoneinfo",
		      "Node 0, zone A\n pages free x\n low 18446744073709551616\n"
		      " high 18446744073709551615\n managed 18446744073709551615\n"
		      " protection: (18446744073709551615)\n"
		      "Node 0, zone B\n pages free 9\n managed 18446744073709551615\n");
	info = read_it();
	ASSERT_INT(info.nr_nodes, 1);
	CU_ASSERT_EQUAL(info.node[0].managed, UINT64_MAX);
	CU_ASSERT_EQUAL(info.node[0].reserve, UINT64_MAX);
	ASSERT_INT(info.node[0].low, 0);
	ASSERT_INT(info.node[0].above_high, 9 * PAGE);
	fakeroot_end();
}

static void test_node_meminfo(void)
{
	struct shrink_node_meminfo m;
	int fd;

	fakeroot_begin();
	ASSERT_INT(shrink_os_node_open(3), -ENOENT);
	fakeroot_file("/sys/devices/system/node/node3/meminfo",
		      "\nNode 3 MemTotal:  1000 kB\nNode 3 MemFree:  200 kB\n"
		      "Node 3 Active(file):  30 kB\nNode 3 Inactive(file): 40 kB\n"
		      "Node 3 Dirty: 5 kB\nNode 3 Writeback: 6 kB\nNode 3 WritebackTmp: 99 kB\n"
		      "Node 3 KReclaimable: 8 kB\nNode 3 SReclaimable: 7 kB\n");
	fd = shrink_os_node_open(3);
	ASSERT_INT(shrink_os_node_read(fd, 3, &m), 0);
	ASSERT_INT(m.total, 1000 * 1024);
	ASSERT_INT(m.free, 200 * 1024);
	ASSERT_INT(m.file, 70 * 1024);
	ASSERT_INT(m.dirty, 11 * 1024);
	ASSERT_INT(m.slab, 8 * 1024);
	ASSERT_INT(shrink_os_node_read(fd, 2, &m), -EINVAL); /* another node's */
	shrink_os_close(fd);
	ASSERT_INT(shrink_node_meminfo_parse("Node 0 MemTotal: 1 kB\n", 0, &m), -EINVAL);
	ASSERT_INT(shrink_node_meminfo_parse("Node 0 MemTotal: 1 kB\nNode 0 MemFree: 1 kB\n"
					     "Node 0 SReclaimable: 4 kB\n", 0, &m), 0);
	ASSERT_INT(m.slab, 4096);
	fakeroot_end();
}

static void test_available(void)
{
	struct shrink_node_zones z = {.free = 100, .reserve = 30, .low = 10, .file = 50, .slab = 6};
	struct shrink_node_meminfo now = {.free = 40, .file = 8};

	/* 100 - 30 + (50 - 10) + (6 - 3) */
	ASSERT_INT(shrink_node_available(&z, NULL), 113);
	ASSERT_INT(shrink_node_available(&z, &now), 40 + 4 - 30);
	now.free = 0;
	ASSERT_INT(shrink_node_available(&z, &now), 0);
}

static void test_lists(void)
{
	uint64_t mask = 7;

	ASSERT_INT(shrink_node_list_parse("0-1,3\n", &mask), 0);
	ASSERT_INT(mask, 0xb);
	ASSERT_INT(shrink_node_list_parse("63-5000000000,2", &mask), 0);
	CU_ASSERT_EQUAL(mask, 1ULL << 63 | 4);
	ASSERT_INT(shrink_node_list_parse("\n", &mask), 0);
	ASSERT_INT(mask, 0);
	ASSERT_INT(shrink_node_list_parse("3-1\n", &mask), -EINVAL);
	ASSERT_INT(shrink_node_list_parse("1 2\n", &mask), -EINVAL);
	ASSERT_INT(shrink_node_list_parse("1-\n", &mask), -EINVAL);
	fakeroot_begin();
	ASSERT_INT(shrink_os_nodes("has_memory", &mask), 0);
	ASSERT_INT(mask, 1); /* a kernel without NUMA */
	fakeroot_file("/sys/devices/system/node/has_memory", "1-2\n");
	ASSERT_INT(shrink_os_nodes("has_memory", &mask), 0);
	ASSERT_INT(mask, 6);
	fakeroot_file("/sys/devices/system/node/has_memory", "pears\n");
	ASSERT_INT(shrink_os_nodes("has_memory", &mask), -EINVAL);
	fakeroot_end();
}

/* The running kernel's: two files that must say the same. */
static void test_native(void)
{
	struct shrink_zoneinfo info;
	struct shrink_node_meminfo node;
	uint64_t mask;
	int fd = shrink_os_zoneinfo_open();

	if (fd < 0)
		SKIP("/proc/zoneinfo: %s", strerror(-fd));
	ASSERT_INT(shrink_os_zoneinfo_read(fd, &info), 0);
	shrink_os_close(fd);
	ASSERT_INT(shrink_os_nodes("has_memory", &mask), 0);
	CU_ASSERT(mask != 0);
	for (int i = 0; i < info.nr_nodes; i++) {
		const struct shrink_node_zones *z = &info.node[i];

		ASSERT_INT(z->managed != 0, mask >> i & 1);
		CU_ASSERT(z->min <= z->low && z->low <= z->high && z->free <= z->managed);
		fd = shrink_os_node_open(i);
		if (fd < 0)
			continue;
		ASSERT_INT(shrink_os_node_read(fd, i, &node), 0);
		ASSERT_INT(node.total, z->managed);
		CU_ASSERT(node.free <= node.total && node.file <= node.total);
		CU_ASSERT(shrink_node_available(z, &node) <= node.total);
		shrink_os_close(fd);
	}
	ASSERT_INT(shrink_os_fd_count(), 0);
}

static const struct test tests[] = {
	{"zones add up to nodes", test_zones},
	{"the kernel's edges, at the page", test_edges},
	{"long files, many nodes", test_long},
	{"G9: texts that are not", test_broken},
	{"a node's meminfo", test_node_meminfo},
	{"available, node by node", test_available},
	{"lists of nodes", test_lists},
	{"the running kernel's", test_native},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "zoneinfo", tests);
}
