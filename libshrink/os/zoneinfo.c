// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/lines.h>
#include <libshrink/os/mem.h>
#include <libshrink/os/zoneinfo.h>

static uint64_t bytes_of(uint64_t pages, uint64_t page_size)
{
	return shrink_mul_div(pages, page_size, 1);
}

static void add(uint64_t *sum, uint64_t pages, uint64_t page_size)
{
	*sum = shrink_add_u64(*sum, bytes_of(pages, page_size));
}

void shrink_zoneinfo_end(struct shrink_zoneinfo *info, struct shrink_zone_state *state,
			 uint64_t page_size)
{
	struct shrink_node_zones *node = &info->node[state->nid];
	uint64_t kept = shrink_add_u64(state->high, state->protection);

	if (!state->any || !state->managed) /* unpopulated */
		return;
	add(&node->managed, state->managed, page_size);
	add(&node->free, state->free, page_size);
	add(&node->min, state->min, page_size);
	add(&node->low, state->low, page_size);
	add(&node->high, state->high, page_size);
	add(&node->reserve, shrink_min_u64(kept, state->managed), page_size);
	add(&node->listed, state->listed, page_size);
	add(&node->above_high, shrink_sub_u64(state->free, kept), page_size);
	kept = shrink_add_u64(state->low, state->protection);
	add(&node->above_low, shrink_sub_u64(state->free, kept), page_size);
}

/* "Node 1, zone   Normal" */
static int is_header(const char *line, uint64_t *ret_nid)
{
	if (strncmp(line, "Node ", 5))
		return 0;
	line += 5;
	return !shrink_parse_u64(&line, ret_nid) && !strncmp(line, ", zone", 6);
}

/* The number behind @key and blanks; a key with a colon is another one. */
static int number(const char *line, const char *key, uint64_t *ret_value)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) || (line[len] != ' ' && line[len] != '\t'))
		return 0;
	line += len;
	line += strspn(line, " \t");
	return !shrink_parse_u64(&line, ret_value);
}

/* "protection: (0, 3019, 6731)": what is kept from whoever can also use the
 * highest zone, which users' memory always can. */
static int protection(const char *line, uint64_t *ret_pages)
{
	uint64_t most = 0, pages;

	if (strncmp(line, "protection:", 11))
		return 0;
	line += 11;
	while (*(line += strcspn(line, "0123456789"))) {
		if (shrink_parse_u64(&line, &pages) < 0)
			return 0;
		most = shrink_max_u64(most, pages);
	}
	*ret_pages = most;
	return 1;
}

/* "count: 63", below "pagesets" and for each processor */
static int list_line(struct shrink_zone_state *state, const char *line)
{
	uint64_t pages;

	if (!number(line, "count:", &pages))
		return 0;
	state->listed = shrink_add_u64(state->listed, pages);
	return 1;
}

/* "per-node stats": they stand with one of the node's zones. */
static int node_line(struct shrink_node_zones *node, const char *line, uint64_t page_size)
{
	uint64_t pages;

	if (number(line, "nr_active_file", &pages) || number(line, "nr_inactive_file", &pages))
		add(&node->file, pages, page_size);
	else if (number(line, "nr_dirty", &pages) || number(line, "nr_writeback", &pages))
		add(&node->dirty, pages, page_size);
	else if (number(line, "nr_slab_reclaimable", &pages) ||
		 number(line, "nr_kernel_misc_reclaimable", &pages))
		add(&node->slab, pages, page_size);
	else
		return 0;
	return 1;
}

void shrink_zoneinfo_line(struct shrink_zoneinfo *info, struct shrink_zone_state *state,
			  const char *line, uint64_t page_size)
{
	uint64_t nid;

	if (is_header(line, &nid)) {
		shrink_zoneinfo_end(info, state, page_size);
		*state = (struct shrink_zone_state){.any = nid < SHRINK_NODES_MAX};
		if (!state->any)
			return;
		state->nid = (int)nid;
		if (info->nr_nodes <= state->nid)
			info->nr_nodes = state->nid + 1;
		return;
	}
	line += strspn(line, " \t");
	if (!state->any || node_line(&info->node[state->nid], line, page_size))
		return;
	if (list_line(state, line))
		return;
	if (!strncmp(line, "pages ", 6))
		line += 6;
	(void)(number(line, "free", &state->free) || number(line, "min", &state->min) ||
	       number(line, "low", &state->low) || number(line, "high", &state->high) ||
	       number(line, "managed", &state->managed) ||
	       protection(line, &state->protection));
}

int shrink_os_zoneinfo_open(void)
{
	return shrink_os_open("/proc/zoneinfo", O_RDONLY);
}

struct reading {
	struct shrink_zoneinfo info;
	struct shrink_zone_state state;
	uint64_t page_size;
};

static int take_line(void *arg, char *line)
{
	struct reading *r = arg;

	shrink_zoneinfo_line(&r->info, &r->state, line, r->page_size);
	return 0;
}

int shrink_os_zoneinfo_read(int fd, struct shrink_zoneinfo *ret_info)
{
	struct reading r = {.page_size = shrink_os_page_size()};
	int err = shrink_os_lines_at(fd, take_line, &r);

	if (err < 0)
		return err;
	shrink_zoneinfo_end(&r.info, &r.state, r.page_size);
	if (!r.info.nr_nodes)
		return -EINVAL;
	*ret_info = r.info;
	return 0;
}
