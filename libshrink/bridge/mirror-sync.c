// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The kernel's shrinkers made to agree with ours. What the kernel cannot be told of one
 * that it has - another name, seeks, batch, memory group - is told by registering anew,
 * which costs what it has put off; settings of that kind are rare.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/bridge/mirror.h>
#include <libshrink/os/module.h>

#define SEEKS_MAX 1024

static struct shrink_mirror *const m = &shrink_mirror;
/* One at a time: the application's start, then the standby. Outside the mirror's lock. */
static pthread_mutex_t syncing = PTHREAD_MUTEX_INITIALIZER;

void shrink_mirror_sync_fork_child(void)
{
	pthread_mutex_init(&syncing, NULL); /* whoever held it is not here */
}

void shrink_mirror_moved(void)
{
	pthread_mutex_lock(&m->lock);
	m->moves++;
	pthread_mutex_unlock(&m->lock);
	shrink_mirror_changed();
}

void shrink_mirror_drop(struct mirror_cache *c)
{
	struct shrink_bridge_page *page;
	bool known;
	int fd;

	pthread_mutex_lock(&m->lock);
	known = c->since != 0;
	page = c->page;
	fd = m->fd;
	for (int nid = 0; known && nid < m->nr_nodes; nid++)
		c->place[nid].state = MIRROR_NONE;
	c->s = NULL;
	c->since = 0;
	c->page = NULL;
	pthread_mutex_unlock(&m->lock);
	if (known)
		shrink_os_module_unregister(fd, (unsigned int)(c - m->cache));
	shrink_os_module_unmap(page);
}

/* Names with their id, so that each is one; of what the kernel lets into a file's name. */
static void describe_name(struct shrinker_impl *s, char *name)
{
	char full[SHRINK_NAME_MAX + 16];
	const char *id;
	size_t room, len;

	shrinker_get_name(&s->pub, full, sizeof(full));
	for (char *p = full; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '/')
			*p = '_';
	id = strrchr(full, '-');
	room = SHRINK_BRIDGE_NAME_MAX - 1 - strlen(id);
	len = (size_t)(id - full) < room ? (size_t)(id - full) : room;
	memcpy(name, full, len);
	memcpy(name + len, id, strlen(id));
}

static void describe(struct shrinker_impl *s, struct shrink_bridge_register *reg)
{
	int seeks = atomic_load_explicit(&s->seeks, memory_order_relaxed);
	long batch = atomic_load_explicit(&s->batch, memory_order_relaxed);

	memset(reg, 0, sizeof(*reg)); /* it is compared as a whole */
	reg->flags = SHRINK_BRIDGE_GROUP;
	if (s->pub.flags & SHRINKER_NUMA_AWARE)
		reg->flags |= SHRINK_BRIDGE_NUMA;
	reg->seeks = (uint32_t)(seeks > SEEKS_MAX ? SEEKS_MAX : seeks);
	if (batch)
		batch = batch < SHRINK_BRIDGE_BATCH_MIN ? SHRINK_BRIDGE_BATCH_MIN : batch;
	if (batch > (long)SHRINK_BRIDGE_COUNT_MAX)
		batch = SHRINK_BRIDGE_COUNT_MAX;
	reg->batch = (uint32_t)batch;
	describe_name(s, reg->name);
}

static bool same(const struct shrink_bridge_register *has,
		 const struct shrink_bridge_register *want)
{
	return (has->flags | SHRINK_BRIDGE_GROUP) == want->flags && has->seeks == want->seeks &&
	       has->batch == want->batch && !strcmp(has->name, want->name);
}

/* At every node that it can be: how many. */
static int bind_all(int fd, unsigned int index, int nr_nodes)
{
	int bound = 0;

	for (int nid = 0; nid < nr_nodes; nid++)
		bound += shrink_os_module_bind(fd, index, nid) == nid;
	return bound;
}

/* Of our group, if it is served anywhere; else of the machine, which the kernel asks only
 * when all of it is short. */
static int register_one(int fd, int nr_nodes, struct shrink_bridge_register *reg)
{
	int r = shrink_os_module_register(fd, reg);

	if (r < 0 || bind_all(fd, reg->ret_index, nr_nodes))
		return r;
	shrink_os_module_unregister(fd, reg->ret_index);
	reg->flags &= ~SHRINK_BRIDGE_GROUP;
	return shrink_os_module_register(fd, reg);
}

static int add(struct shrinker_impl *s, const struct shrink_bridge_register *want)
{
	struct shrink_bridge_register reg = *want;
	struct shrink_bridge_page *page;
	struct mirror_cache *c;
	int r, fd, nr_nodes;
	uint64_t epoch, moves;

	pthread_mutex_lock(&m->lock);
	fd = m->fd;
	epoch = m->epoch;
	moves = m->moves; /* before it is bound: a move meanwhile counts */
	nr_nodes = m->nr_nodes;
	pthread_mutex_unlock(&m->lock);
	r = fd < 0 ? -ENOTCONN : register_one(fd, nr_nodes, &reg);
	if (r < 0)
		return r;
	if (reg.ret_index >= SHRINK_BRIDGE_CACHES)
		return -EPROTO;
	page = shrink_os_module_map(fd, reg.ret_index);
	if (!page) {
		r = -errno;
		shrink_os_module_unregister(fd, reg.ret_index);
		return r;
	}
	c = &m->cache[reg.ret_index];
	pthread_mutex_lock(&m->lock);
	if (m->epoch == epoch) {
		c->s = s;
		c->since = ++m->registered;
		c->page = page;
		c->reg = reg;
		c->moves = moves;
		page = NULL;
		atomic_store(&m->counted_nsec, 0);
	}
	pthread_mutex_unlock(&m->lock);
	shrink_os_module_unmap(page); /* closed meanwhile: the session has gone, too */
	return 0;
}

static struct mirror_cache *find(const struct shrinker_impl *s, bool *ret_moved)
{
	struct mirror_cache *found = NULL;

	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < SHRINK_BRIDGE_CACHES && !found; i++)
		if (m->cache[i].s == s)
			found = &m->cache[i];
	*ret_moved = found && found->moves != m->moves;
	pthread_mutex_unlock(&m->lock);
	return found;
}

static void drop_gone(void)
{
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++) {
		struct mirror_cache *c = &m->cache[i];
		bool gone;

		pthread_mutex_lock(&m->lock);
		gone = c->since && !c->s;
		pthread_mutex_unlock(&m->lock);
		if (gone)
			shrink_mirror_drop(c);
	}
}

/* One that is held, and so cannot go meanwhile. */
static int sync_one(struct shrinker_impl *s)
{
	struct shrink_bridge_register want;
	bool moved;
	struct mirror_cache *c = find(s, &moved);

	describe(s, &want);
	if (c && !moved && same(&c->reg, &want))
		return 0;
	if (c)
		shrink_mirror_drop(c);
	return add(s, &want);
}

/* A walk that the gate counts: otherwise nobody would keep the memory of who has gone until
 * we are past him. A registration may wait for the kernel's reclaim; a fork then waits for
 * us as it does for a callback. */
int shrink_mirror_sync(char *reason, size_t size)
{
	int missing = 0, err = 0, full = 0;

	*reason = '\0';
	if (!shrink_gate_count_in()) {
		shrink_mirror_changed();
		return 0;
	}
	pthread_mutex_lock(&syncing);
	drop_gone();
	for (struct shrinker_impl *s = shrink_registry_first(); s; s = shrink_registry_next(s)) {
		/* none is asked twice for what there is no room for */
		bool moved;
		int r = full && !find(s, &moved) ? full : sync_one(s);

		if (r == -ENOSPC || r == -EDQUOT)
			full = r;
		missing += r < 0;
		err = r < 0 && !err ? r : err;
	}
	pthread_mutex_unlock(&syncing);
	shrink_gate_count_out();
	if (err)
		snprintf(reason, size, "%d of %lu caches not mirrored: %s", missing,
			 shrink_registry_count(), strerror(-err));
	return err;
}
