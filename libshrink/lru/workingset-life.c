// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* A ghost table's life, its account, and the table as a shrinker. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/core/core.h>
#include <libshrink/lru/workingset.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/map.h>
#include <libshrink/os/mem.h>

#define GHOSTS_DEFAULT 65536UL
#define GHOSTS_MAX (1UL << 30)
#define GHOSTS_PER_PART 1024 /* fewer are not worth a lock */

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint32_t page_slots(void)
{
	return (uint32_t)(shrink_os_page_size() / sizeof(struct shrink_ghost));
}

/* Ghosts that can still be inside the distance, and so worth their memory: as many
 * as the protected part has objects, on each node. */
static uint64_t useful(const struct shrink_workingset *ws)
{
	uint64_t room = load(&ws->room), nodes = (uint64_t)shrink_core_nr_nodes();

	return room > UINT64_MAX / nodes ? UINT64_MAX : room * nodes;
}

/* Slots a part keeps. */
static uint64_t share(const struct shrink_workingset *ws)
{
	uint64_t each = useful(ws) / ws->nr_parts + 1;

	return shrink_min_u64((each + page_slots() - 1) / page_slots(), UINT32_MAX) * page_slots();
}

unsigned long shrink_ws_count(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_workingset *ws = s->private_data;

	(void)sc;
	if (load(&ws->room) == UINT64_MAX)
		return 0;
	return (unsigned long)shrink_sub_u64(load(&ws->ready),
					     shrink_mul_div(share(ws), ws->nr_parts, 1));
}

/* Gives up to @nr slots of a part back, whole pages. */
static uint64_t cut(struct shrink_workingset *ws, struct shrink_ws_part *part, uint64_t nr)
{
	struct shrink_ghosts *g = &part->ghosts;
	uint64_t keep, dropped, given = 0;

	pthread_mutex_lock(&part->lock);
	keep = shrink_max_u64(share(ws), shrink_sub_u64(g->ready, nr));
	if (keep < g->ready)
		given = shrink_ghosts_cut(g, (uint32_t)keep, &dropped);
	if (given) {
		/* left as it is where the pages cannot be had: they are not used */
		shrink_os_map_return(g->ring + g->ready, given * sizeof(*g->ring));
		atomic_fetch_add_explicit(&ws->given_up, dropped, memory_order_relaxed);
		atomic_fetch_sub_explicit(&ws->ready, given, memory_order_relaxed);
	}
	pthread_mutex_unlock(&part->lock);
	return given;
}

unsigned long shrink_ws_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct shrink_workingset *ws = s->private_data;
	uint64_t freed = 0;

	/* what is asked is spread over the parts, so that none forgets more than
	 * the others; less than a page of each would give nothing */
	for (unsigned int i = 0; i < ws->nr_parts && freed < sc->nr_to_scan; i++) {
		uint64_t each = (sc->nr_to_scan - freed) / (ws->nr_parts - i);

		freed += cut(ws, &ws->parts[i], shrink_max_u64(each, page_slots()));
	}
	sc->nr_scanned = (unsigned long)shrink_max_u64(freed, sc->nr_to_scan);
	sc->bytes_freed = freed * sizeof(struct shrink_ghost);
	return freed ? (unsigned long)freed : SHRINK_STOP;
}

static void lock_all(struct shrink_lruvec_fork *self)
{
	struct shrink_workingset *ws = shrink_container_of(self, struct shrink_workingset, fork);

	if (ws->groups == &ws->own)
		pthread_mutex_lock(&ws->own.life);
	for (unsigned int i = 0; i < ws->nr_parts; i++)
		pthread_mutex_lock(&ws->parts[i].lock);
}

static void unlock_all(struct shrink_lruvec_fork *self)
{
	struct shrink_workingset *ws = shrink_container_of(self, struct shrink_workingset, fork);

	for (unsigned int i = ws->nr_parts; i-- > 0;)
		pthread_mutex_unlock(&ws->parts[i].lock);
	if (ws->groups == &ws->own)
		pthread_mutex_unlock(&ws->own.life);
}

static unsigned int choose_parts(unsigned long ghosts)
{
	unsigned int parts = 1;

	while (parts < SHRINK_WS_PARTS_MAX && ghosts / (parts * 2) >= GHOSTS_PER_PART)
		parts *= 2;
	return parts;
}

static uint32_t index_size(uint32_t slots)
{
	uint32_t n = 1;

	while (n < slots)
		n *= 2;
	return n;
}

static int make_rings(struct shrink_workingset *ws, uint32_t slots)
{
	uint32_t heads = index_size(slots);
	size_t ring_size = slots * sizeof(struct shrink_ghost);
	size_t index = (size_t)heads + slots;

	ws->map_size = ring_size * ws->nr_parts;
	ws->map = shrink_os_map_reserve(ws->map_size, SHRINK_OS_PAGES_SMALL);
	if (!ws->map || shrink_os_map_open(ws->map, ws->map_size) < 0)
		return -ENOMEM;
	ws->index = shrink_os_alloc(index * ws->nr_parts * sizeof(*ws->index));
	ws->parts = shrink_os_alloc(ws->nr_parts * sizeof(*ws->parts));
	if (!ws->index || !ws->parts)
		return -ENOMEM;
	memset(ws->map, 0, ws->map_size); /* touched now, not in an eviction (G6) */
	memset(ws->index, 0, index * ws->nr_parts * sizeof(*ws->index));
	for (unsigned int i = 0; i < ws->nr_parts; i++) {
		struct shrink_ghost *ring = (struct shrink_ghost *)ws->map + (size_t)i * slots;
		uint32_t *first = ws->index + index * i;

		pthread_mutex_init(&ws->parts[i].lock, NULL);
		shrink_ghosts_init(&ws->parts[i].ghosts, ring, slots, page_slots(), first,
				   first + heads, heads - 1);
	}
	atomic_store(&ws->ready, (uint64_t)slots * ws->nr_parts);
	return 0;
}

static int find_clocks(struct shrink_workingset *ws, struct shrink_lgroups *groups)
{
	ws->groups = groups ? groups : &ws->own;
	if (groups)
		return 0;
	ws->own.nr_nodes = shrink_core_nr_nodes();
	return shrink_lgroups_init(&ws->own);
}

static int set_up(struct shrink_workingset *ws, unsigned long ghosts, const char *name,
		  struct shrink_lgroups *groups)
{
	uint32_t per_page = page_slots();
	uint64_t slots;
	int r;

	ghosts = ghosts ? ghosts : GHOSTS_DEFAULT;
	ws->nr_parts = choose_parts(ghosts);
	slots = (ghosts + ws->nr_parts - 1) / ws->nr_parts;
	slots = (slots + per_page - 1) / per_page * per_page;
	atomic_store(&ws->room, UINT64_MAX);
	r = make_rings(ws, (uint32_t)slots);
	if (!r)
		r = find_clocks(ws, groups);
	if (r < 0)
		return r;
	ws->fork.lock = lock_all;
	ws->fork.unlock = unlock_all;
	r = shrink_lruvec_enlist(SHRINK_LRUVEC_FORK_WORKINGSET, &ws->fork);
	if (r < 0)
		return r;
	ws->shrinker = shrinker_alloc(SHRINKER_DIRECT | SHRINKER_SELF_RELEASE, "%s", name);
	if (!ws->shrinker)
		return -errno;
	ws->shrinker->count_objects = shrink_ws_count;
	ws->shrinker->scan_objects = shrink_ws_scan;
	ws->shrinker->private_data = ws;
	ws->shrinker->seeks = 0;
	ws->shrinker->object_size = sizeof(struct shrink_ghost);
	return shrinker_register(ws->shrinker);
}

struct shrink_workingset *shrink_ws_create(unsigned long ghosts, const char *name,
					   struct shrink_lgroups *groups)
{
	struct shrink_workingset *ws = NULL;
	int r = *name && ghosts <= GHOSTS_MAX ? 0 : -EINVAL;

	if (!r) {
		ws = shrink_os_alloc(sizeof(*ws));
		r = ws ? set_up(ws, ghosts, name, groups) : -ENOMEM;
	}
	if (r < 0) {
		shrink_workingset_destroy(ws);
		errno = -r;
		return NULL;
	}
	return ws;
}

struct shrink_workingset *
shrink_workingset_create(const struct shrink_workingset_options *options, size_t size,
			 const char *fmt, ...)
{
	struct shrink_workingset_options o = {0};
	char name[SHRINK_NAME_MAX] = "";
	va_list args;

	if (options)
		memcpy(&o, options, size < sizeof(o) ? size : sizeof(o));
	if (fmt) {
		va_start(args, fmt);
		vsnprintf(name, sizeof(name), fmt, args);
		va_end(args);
	}
	return shrink_ws_create(o.ghosts, name, NULL);
}

void shrink_workingset_destroy(struct shrink_workingset *ws)
{
	if (!ws)
		return;
	shrinker_free(ws->shrinker);
	shrink_lruvec_delist(&ws->fork);
	for (unsigned int i = 0; ws->parts && i < ws->nr_parts; i++)
		pthread_mutex_destroy(&ws->parts[i].lock);
	shrink_os_free(ws->parts);
	shrink_os_free(ws->index);
	shrink_os_map_unreserve(ws->map, ws->map_size);
	shrink_lgroups_destroy(&ws->own);
	shrink_os_free(ws);
}

struct shrinker *shrink_workingset_shrinker(struct shrink_workingset *ws)
{
	return ws ? ws->shrinker : NULL;
}

static void sum_parts(struct shrink_workingset *ws, struct shrink_workingset_stats *stats)
{
	for (unsigned int i = 0; i < ws->nr_parts; i++) {
		struct shrink_ghosts *g = &ws->parts[i].ghosts;

		pthread_mutex_lock(&ws->parts[i].lock);
		stats->ghosts += g->live;
		stats->capacity += g->size;
		stats->capacity_max += g->max;
		stats->overwritten += g->overwritten;
		pthread_mutex_unlock(&ws->parts[i].lock);
	}
}

int shrink_workingset_stats(struct shrink_workingset *ws,
			    struct shrink_workingset_stats *ret_stats, size_t size)
{
	struct shrink_workingset_stats stats = {0};

	if (!ws || !ret_stats || !size)
		return -EINVAL;
	sum_parts(ws, &stats);
	stats.evictions = load(&ws->evictions);
	stats.refaults = load(&ws->refaults);
	stats.activations = load(&ws->activations);
	stats.restores = load(&ws->restores);
	stats.aged = load(&ws->aged);
	stats.given_up = load(&ws->given_up);
	stats.costs = load(&ws->costs);
	stats.cost_nsec = load(&ws->cost_nsec);
	stats.cost_nsec_avg = load(&ws->cost_nsec_avg);
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &stats, size < sizeof(stats) ? size : sizeof(stats));
	return 0;
}
