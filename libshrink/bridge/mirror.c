// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/atfork.h>
#include <libshrink/bridge/mirror.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/module.h>

struct shrink_mirror shrink_mirror = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.fd = -1,
	.changed_fd = -1,
};

static struct shrink_mirror *const m = &shrink_mirror;

void shrink_mirror_publish(struct mirror_cache *c, int nid, unsigned long objects)
{
	if (c->page)
		__atomic_store_n(&c->page->count[nid], objects, __ATOMIC_RELEASE);
}

/* Of a shrinker that has gone: nothing is there any more, at once; the kernel's goes with
 * the next sync(). */
static void forget_shrinker(struct shrinker_impl *gone)
{
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++) {
		struct mirror_cache *c = &m->cache[i];

		if (c->s != gone)
			continue;
		c->s = NULL;
		for (int nid = 0; nid < m->nr_nodes; nid++)
			shrink_mirror_publish(c, nid, 0);
	}
}

static void on_change(struct shrinker_impl *gone)
{
	pthread_mutex_lock(&m->lock);
	if (gone)
		forget_shrinker(gone);
	pthread_mutex_unlock(&m->lock);
	shrink_mirror_changed();
}

void shrink_mirror_changed(void)
{
	pthread_mutex_lock(&m->lock);
	if (m->changed_fd >= 0)
		shrink_os_notify(m->changed_fd);
	pthread_mutex_unlock(&m->lock);
}

static void fork_prepare(void)
{
	pthread_mutex_lock(&m->lock);
}

static void fork_parent(void)
{
	pthread_mutex_unlock(&m->lock);
}

/* The parent's session goes on without us. Its pages are not mapped here, so whatever lies
 * at their addresses is not theirs. */
static void fork_child(void)
{
	m->epoch++;
	m->fd = m->changed_fd = -1;
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		m->cache[i] = (struct mirror_cache){0};
	shrink_mirror_sync_fork_child();
	pthread_mutex_unlock(&m->lock);
}

static const struct shrink_fork_hooks hooks = {fork_prepare, fork_parent, fork_child};

static int open_error(int err, char *reason, size_t size)
{
	switch (err) {
	case -ENOENT:
		snprintf(reason, size, "no /dev/shrink: the module shrink_bridge is not loaded");
		break;
	case -EPROTO:
		snprintf(reason, size, "/dev/shrink is of another version");
		break;
	default:
		snprintf(reason, size, "/dev/shrink: %s", strerror(-err));
	}
	return err;
}

static int allocate(void)
{
	if (shrink_fork_register(SHRINK_FORK_BRIDGE, &hooks) < 0)
		return -ENOMEM;
	m->nr_nodes = shrink_core_nr_nodes();
	if (m->nr_nodes > SHRINK_BRIDGE_NODES)
		m->nr_nodes = SHRINK_BRIDGE_NODES;
	shrink_os_free(m->places); /* from before a fork */
	m->places = shrink_os_alloc((size_t)m->nr_nodes * SHRINK_BRIDGE_CACHES *
				    sizeof(*m->places));
	return m->places ? 0 : -ENOMEM;
}

int shrink_mirror_open(char *reason, size_t size)
{
	int changed, fd = shrink_os_module_open();

	if (fd < 0)
		return open_error(fd, reason, size);
	changed = allocate();
	if (!changed)
		changed = shrink_os_eventfd(0);
	if (changed < 0) {
		shrink_os_module_close(fd);
		snprintf(reason, size, "%s", strerror(-changed));
		return changed;
	}
	pthread_mutex_lock(&m->lock);
	m->epoch++;
	m->fd = fd;
	m->changed_fd = changed;
	atomic_store(&m->counted_nsec, 0);
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		m->cache[i] = (struct mirror_cache){.place = &m->places[i * m->nr_nodes]};
	pthread_mutex_unlock(&m->lock);
	shrink_registry_on_change(on_change);
	(void)shrink_mirror_sync(reason, size); /* what could not be mirrored is no failure */
	return 0;
}

void shrink_mirror_close(void)
{
	int fd, changed;

	shrink_registry_on_change(NULL);
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		shrink_mirror_drop(&m->cache[i]);
	pthread_mutex_lock(&m->lock);
	m->epoch++;
	fd = m->fd;
	changed = m->changed_fd;
	m->fd = m->changed_fd = -1;
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		m->cache[i] = (struct mirror_cache){0};
	shrink_os_free(m->places);
	m->places = NULL;
	pthread_mutex_unlock(&m->lock);
	shrink_os_close(changed);
	shrink_os_module_close(fd);
}

void shrink_mirror_answer(unsigned int index, int nid, uint64_t seq, uint64_t freed)
{
	struct shrink_bridge_result res = {
		.seq = seq,
		.freed = freed,
		.index = index,
		.nid = (uint32_t)nid,
	};

	/* Under the lock, so that the descriptor is still ours; nothing in the module makes
	 * it wait. Refused where the cache has gone meanwhile: then nobody waits for it. */
	pthread_mutex_lock(&m->lock);
	if (m->fd >= 0)
		(void)shrink_os_module_answer(m->fd, &res);
	pthread_mutex_unlock(&m->lock);
}

/* Lock held. Registered before we began to read, so that it is the one that is meant. */
static bool is_for_us(const struct shrink_bridge_request *req, uint64_t registered)
{
	struct mirror_cache *c;
	struct mirror_place *p;

	if (req->index >= SHRINK_BRIDGE_CACHES || req->nid >= (uint32_t)m->nr_nodes)
		return false;
	c = &m->cache[req->index];
	if (!c->s || !c->since || c->since > registered)
		return false;
	p = &c->place[req->nid];
	if (p->state != MIRROR_NONE)
		return false;
	*p = (struct mirror_place){
		.seq = req->seq,
		.objects = req->objects,
		.state = MIRROR_ASKED,
	};
	return true;
}

int shrink_mirror_take(void)
{
	struct shrink_bridge_request reqs[SHRINK_BRIDGE_CACHES];
	uint64_t registered;
	int n, refused = 0;

	pthread_mutex_lock(&m->lock);
	registered = m->registered;
	pthread_mutex_unlock(&m->lock);
	n = shrink_os_module_read(m->fd, reqs, SHRINK_BRIDGE_CACHES);
	if (n <= 0)
		return n;
	pthread_mutex_lock(&m->lock);
	for (int i = 0; i < n; i++)
		if (!is_for_us(&reqs[i], registered))
			reqs[refused++] = reqs[i];
	pthread_mutex_unlock(&m->lock);
	for (int i = 0; i < refused; i++)
		shrink_mirror_answer(reqs[i].index, (int)reqs[i].nid, reqs[i].seq, 0);
	return n;
}
