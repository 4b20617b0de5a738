// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/zoneinfo.h>
#include <libshrink/reclaim/node-read.h>

/* Watermarks change when somebody tunes the system: dear to read, read seldom. */
#define ZONES_NSEC NSEC_PER_SEC
/* Processors' lists change with each batch, and are only read within a step of the mark. */
#define LISTS_NSEC (2 * NSEC_PER_MSEC)

/* Guards the zones; held over a read of /proc/zoneinfo. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_zoneinfo zones;
static uint64_t zones_when;
static int zones_fd = -1;
static int node_fd[SHRINK_NODES_MAX]; /* of each node's meminfo */
static bool is_open;
static int (*read_simulated)(int nid, struct shrink_node_reading *ret);

static struct shrink_node_zones zones_of(int nid, uint64_t age)
{
	uint64_t now = shrink_os_clock();
	struct shrink_node_zones z;

	pthread_mutex_lock(&lock);
	if (now - zones_when > age && !shrink_os_zoneinfo_read(zones_fd, &zones))
		zones_when = now;
	z = zones.node[nid];
	pthread_mutex_unlock(&lock);
	return z;
}

/*
 * The kernel's marks are of free pages; what it could take besides counts as free here
 * (shrink_node_available(), which is net of the high mark already). We are to be there
 * before kswapd is, which may swap: a step - high less low - above the mark where it
 * goes back to sleep we begin, and another one above that we stop. More would be too
 * much: the marks of small nodes are a twelfth of them.
 *
 * What is freed goes to a list of the processor's first, an eighth of the node and more
 * before it shows among the free pages. Where nothing else can be reclaimed the kernel
 * kills before it takes these lists from other processors, so they do not count until
 * free pages are above the mark where we begin. From there to where we stop they do:
 * nobody is short there, and 64 MiB would be given up for the last six.
 */
static uint64_t with_lists(int nid, uint64_t available, uint64_t low, uint64_t high)
{
	if (available <= low || available > high)
		return available;
	return shrink_add_u64(available, zones_of(nid, LISTS_NSEC).listed);
}

int shrink_node_read(int nid, struct shrink_node_reading *ret)
{
	struct shrink_node_meminfo mem;
	struct shrink_node_zones z;
	uint64_t step;
	int r;

	if (read_simulated)
		return read_simulated(nid, ret);
	r = shrink_os_node_read(node_fd[nid], nid, &mem);
	if (r < 0)
		return r;
	z = zones_of(nid, ZONES_NSEC);
	step = shrink_sub_u64(z.high, z.low);
	*ret = (struct shrink_node_reading){
		.managed = z.managed,
		.available = with_lists(nid, shrink_node_available(&z, &mem), step, 2 * step),
		.low = step,
		.high = 2 * step,
	};
	return 0;
}

bool shrink_node_read_simulated(void)
{
	return read_simulated != NULL;
}

int shrink_node_read_open(int (*simulated)(int nid, struct shrink_node_reading *ret))
{
	read_simulated = simulated;
	if (simulated)
		return 0;
	zones_fd = shrink_os_zoneinfo_open();
	if (zones_fd < 0)
		return zones_fd;
	for (int nid = 0; nid < SHRINK_NODES_MAX; nid++)
		node_fd[nid] = nid < shrink_os_numa_nodes() ? shrink_os_node_open(nid) : -1;
	is_open = true;
	return 0;
}

void shrink_node_read_forget(void)
{
	zones_fd = -1;
	zones_when = 0;
	is_open = false;
}

void shrink_node_read_close(void)
{
	for (int nid = 0; is_open && nid < SHRINK_NODES_MAX; nid++)
		shrink_os_close(node_fd[nid]);
	is_open = false;
	shrink_os_close(zones_fd);
	zones_fd = -1;
	zones_when = 0;
}

void shrink_node_read_lock(void)
{
	pthread_mutex_lock(&lock);
}

void shrink_node_read_unlock(void)
{
	pthread_mutex_unlock(&lock);
}
