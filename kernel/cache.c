// SPDX-License-Identifier: GPL-2.0
/*
 * A cache of a process as a shrinker of the kernel.
 *
 * Counting is a load from the shared page. Scanning posts a request and returns what
 * earlier ones have freed meanwhile: it waits for nobody, so that a process which is
 * stopped, or is itself the one that reclaims, holds nothing up. What it is asked for
 * is charged in full (nr_scanned stays as it is): the kernel's descent goes on to other
 * shrinkers and harder priorities while the process works.
 *
 * Memory groups. The kernel asks a memcg-aware shrinker for a group only if the
 * group's bit is set, and only list_lru sets it for modules: when the first object
 * that is charged to the group goes onto the list, for the object's node. So each
 * cache has a token a node, allocated by a thread of the process and so charged to its
 * group. When that group ends, the list moves its token to the parent, and the bit
 * with it. SHRINK_EMPTY would clear the bit; it is never answered.
 */
#include <linux/percpu.h>
#include <linux/slab.h>

#include "shrink_bridge.h"

static struct kmem_cache *tokens;

static unsigned long count(struct bridge_cache *c, struct shrink_control *sc)
{
	struct bridge_slot *slot = smp_load_acquire(&c->by_node[sc->nid]);
	u64 n, out;

	/* Is this pass about the group that the cache is bound to? */
	if (!slot || ((c->flags & SHRINK_BRIDGE_GROUP) && !list_lru_shrink_count(&c->lru, sc)))
		return 0;
	this_cpu_inc(c->calls->counts);
	n = bridge_slot_claimed(slot);
	out = bridge_slot_outstanding(slot);
	return n > out ? n - out : 0;
}

/* The kernel's reclaim calls this batch by batch, and only after count() has found
 * something for the same pass; so the group is not looked at again. */
static unsigned long scan(struct bridge_cache *c, struct shrink_control *sc)
{
	struct bridge_slot *slot = smp_load_acquire(&c->by_node[sc->nid]);

	if (!slot)
		return SHRINK_STOP;
	this_cpu_inc(c->calls->scans);
	return bridge_slot_post(c, slot, sc->nr_to_scan);
}

/* All that callbacks look at is there; nodes that the page has no room for are not asked. */
static void admit(struct bridge_cache *c)
{
	unsigned int nid, place;

	for (nid = 0; nid < nr_node_ids; nid++) {
		place = c->flags & SHRINK_BRIDGE_NUMA ? nid : 0;
		if (place < SHRINK_BRIDGE_NODES)
			smp_store_release(&c->by_node[nid], &c->slot[place]);
	}
}

void bridge_cache_silence(struct bridge_cache *c)
{
	unsigned int nid;

	for (nid = 0; nid < nr_node_ids; nid++)
		WRITE_ONCE(c->by_node[nid], NULL);
}

static unsigned int kernel_flags(const struct bridge_cache *c)
{
	return (c->flags & SHRINK_BRIDGE_NUMA ? SHRINKER_NUMA_AWARE : 0) |
	       (c->flags & SHRINK_BRIDGE_GROUP ? SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE : 0);
}

/* Two interfaces: since 6.7 the kernel allocates the shrinker, and it can be given an
 * id, and so a list, before it is registered. Before that registering is first, and
 * the cache is not ready for a moment. */
#ifdef SHRINKER_ALLOCATED
static unsigned long count_objects(struct shrinker *s, struct shrink_control *sc)
{
	return count(s->private_data, sc);
}

static unsigned long scan_objects(struct shrinker *s, struct shrink_control *sc)
{
	return scan(s->private_data, sc);
}

static int shrinker_make(struct bridge_cache *c, const struct shrink_bridge_register *reg)
{
	struct shrinker *s = shrinker_alloc(kernel_flags(c), "libshrink-%s", reg->name);
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->count_objects = count_objects;
	s->scan_objects = scan_objects;
	s->seeks = reg->seeks;
	s->batch = reg->batch;
	s->private_data = c;
	if (c->flags & SHRINK_BRIDGE_GROUP)
		r = list_lru_init_memcg(&c->lru, s);
	if (r) {
		shrinker_free(s);
		return r;
	}
	c->shrinker = s;
	admit(c);
	shrinker_register(s);
	return 0;
}

static void shrinker_unmake(struct bridge_cache *c)
{
	shrinker_free(c->shrinker);
}

static bool token_add(struct bridge_cache *c, struct bridge_token *t)
{
	return list_lru_add_obj(&c->lru, &t->link);
}

static void token_del(struct bridge_cache *c, struct bridge_token *t)
{
	list_lru_del_obj(&c->lru, &t->link);
}
#else
static unsigned long count_objects(struct shrinker *s, struct shrink_control *sc)
{
	return count(container_of(s, struct bridge_cache, shrinker), sc);
}

static unsigned long scan_objects(struct shrinker *s, struct shrink_control *sc)
{
	return scan(container_of(s, struct bridge_cache, shrinker), sc);
}

static int shrinker_make(struct bridge_cache *c, const struct shrink_bridge_register *reg)
{
	int r;

	c->shrinker.count_objects = count_objects;
	c->shrinker.scan_objects = scan_objects;
	c->shrinker.seeks = reg->seeks;
	c->shrinker.batch = reg->batch;
	c->shrinker.flags = kernel_flags(c);
	r = register_shrinker(&c->shrinker, "libshrink-%s", reg->name);
	if (r)
		return r;
	if (c->flags & SHRINK_BRIDGE_GROUP)
		r = list_lru_init_memcg(&c->lru, &c->shrinker);
	if (r) {
		unregister_shrinker(&c->shrinker);
		return r;
	}
	admit(c);
	return 0;
}

static void shrinker_unmake(struct bridge_cache *c)
{
	unregister_shrinker(&c->shrinker);
}

static bool token_add(struct bridge_cache *c, struct bridge_token *t)
{
	return list_lru_add(&c->lru, &t->link);
}

static void token_del(struct bridge_cache *c, struct bridge_token *t)
{
	list_lru_del(&c->lru, &t->link);
}
#endif

static int make(struct bridge_cache *c, const struct shrink_bridge_register *reg)
{
	int i;

	c->calls = alloc_percpu_gfp(struct bridge_calls, GFP_KERNEL_ACCOUNT);
	c->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!c->calls || !c->page)
		return -ENOMEM;
	c->shared = page_address(c->page);
	for (i = 0; i < SHRINK_BRIDGE_NODES; i++)
		c->slot[i].claim = &c->shared->count[i];
	return shrinker_make(c, reg);
}

/* The page lives on as long as somebody has it mapped. */
static void release(struct bridge_cache *c)
{
	if (c->page)
		put_page(c->page);
	free_percpu(c->calls);
	kvfree(c);
}

struct bridge_cache *bridge_cache_create(struct bridge_session *s,
					 const struct shrink_bridge_register *reg, u32 index)
{
	struct bridge_cache *c = kvzalloc(struct_size(c, by_node, nr_node_ids), GFP_KERNEL_ACCOUNT);
	int r;

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->session = s;
	c->index = index;
	c->flags = reg->flags;
	spin_lock_init(&c->lock);
	r = make(c, reg);
	if (!r)
		return c;
	release(c);
	return ERR_PTR(r);
}

/* No callback runs or will run once the shrinker is unmade. */
void bridge_cache_destroy(struct bridge_cache *c)
{
	int i;

	shrinker_unmake(c);
	for (i = 0; i < SHRINK_BRIDGE_NODES; i++) {
		if (c->slot[i].readable)
			atomic_dec(&c->session->ready);
		if (!c->token[i])
			continue;
		token_del(c, c->token[i]);
		kmem_cache_free(tokens, c->token[i]);
	}
	if (c->flags & SHRINK_BRIDGE_GROUP)
		list_lru_destroy(&c->lru);
	release(c);
}

void bridge_cache_stats(struct bridge_cache *c, struct shrink_bridge_cache_stats *ret)
{
	int cpu;

	*ret = (struct shrink_bridge_cache_stats){.index = c->index};
	for_each_possible_cpu(cpu) {
		ret->counts += per_cpu_ptr(c->calls, cpu)->counts;
		ret->scans += per_cpu_ptr(c->calls, cpu)->scans;
	}
	spin_lock(&c->lock);
	bridge_slot_stats(c, ret);
	spin_unlock(&c->lock);
}

/* The token comes from where this thread runs, if there is memory; which node it came
 * from is the node that is served. */
int bridge_cache_bind(struct bridge_cache *c, u32 *ret_nid)
{
	struct bridge_token *t;
	int nid;

	if (!(c->flags & SHRINK_BRIDGE_GROUP))
		return -EOPNOTSUPP;
	t = kmem_cache_alloc_lru(tokens, &c->lru, GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	INIT_LIST_HEAD(&t->link);
	nid = page_to_nid(virt_to_page(t));
	*ret_nid = nid;
	if (nid >= SHRINK_BRIDGE_NODES || c->token[nid] || !token_add(c, t)) {
		kmem_cache_free(tokens, t);
		return nid < SHRINK_BRIDGE_NODES && c->token[nid] ? 0 : -EINVAL;
	}
	c->token[nid] = t;
	return 0;
}

int bridge_cache_init(void)
{
	tokens = kmem_cache_create("shrink_bridge_token", sizeof(struct bridge_token), 0,
				   SLAB_ACCOUNT, NULL);
	return tokens ? 0 : -ENOMEM;
}

void bridge_cache_exit(void)
{
	kmem_cache_destroy(tokens);
}
