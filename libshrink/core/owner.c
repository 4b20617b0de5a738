// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Owners: requests instead of calls.
 *
 * A pass posts to an owner what it would have scanned in its caches, and there is
 * one request per owner at a time: it belongs to the pass that opened it, other
 * caches of the owner join it within that pass only, and whoever comes later while
 * it is outstanding is answered SHRINK_STOP, so its work is deferred. The request
 * ends when all of it has been answered, when its deadline has passed (the rest
 * returns to the deferred counters), or when pressure is over (the rest is
 * forgotten).
 *
 * What is posted lives in the shrinkers' slots; the owner only knows the request.
 * All of it changes under the owner's lock; reading a slot's posted count without
 * it only serves estimates.
 */
#include <errno.h>

#include <libshrink/base/conf.h>
#include <libshrink/core/core.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>

struct shrink_owner {
	pthread_mutex_t lock;
	int fd;
	uint64_t pass;               /* whose request it is; 0 = none */
	uint64_t event;
	uint64_t deadline;
	shrink_gfp_t gfp_mask;
	/* under the registry lock */
	struct shrink_list shrinkers;
	struct shrink_list link;     /* on owners */
};

static struct shrink_list owners = SHRINK_LIST_INIT(owners); /* registry lock */

struct shrink_owner *shrink_owner_create(void)
{
	struct shrink_owner *o = shrink_os_alloc(sizeof(*o));

	if (!o)
		return NULL;
	o->fd = shrink_os_eventfd(0);
	if (o->fd < 0) {
		errno = -o->fd;
		shrink_os_free(o);
		return NULL;
	}
	pthread_mutex_init(&o->lock, NULL);
	shrink_list_init(&o->shrinkers);
	shrink_registry_lock();
	shrink_list_add_tail(&o->link, &owners);
	shrink_registry_unlock();
	return o;
}

int shrink_owner_destroy(struct shrink_owner *o)
{
	int r = 0;

	if (!o)
		return 0;
	shrink_registry_lock();
	if (shrink_list_empty(&o->shrinkers))
		shrink_list_del(&o->link);
	else
		r = -EBUSY;
	shrink_registry_unlock();
	if (r)
		return r;
	shrink_os_close(o->fd);
	pthread_mutex_destroy(&o->lock);
	shrink_os_free(o);
	return 0;
}

int shrink_owner_fd(const struct shrink_owner *o)
{
	return o ? o->fd : -EINVAL;
}

void shrink_owner_attach(struct shrinker_impl *s)
{
	shrink_list_add_tail(&s->owner_link, &s->pub.owner->shrinkers);
}

void shrink_owner_detach(struct shrinker_impl *s)
{
	if (s->pub.owner)
		shrink_list_del(&s->owner_link);
}

bool shrink_owner_post(struct shrinker_impl *s, int nid, unsigned long n,
		       const struct shrink_pass *pass)
{
	struct shrink_owner *o = s->pub.owner;
	bool mine;

	pthread_mutex_lock(&o->lock);
	if (!o->pass) {
		o->pass = pass->id;
		o->event = pass->event;
		o->deadline = shrink_os_clock() + SHRINK_TUN(owner_deadline) * NSEC_PER_MSEC;
		o->gfp_mask = pass->gfp_mask;
	}
	mine = o->pass == pass->id;
	if (mine)
		atomic_fetch_add_explicit(&shrinker_slot(s, nid)->posted, (long)n,
					  memory_order_relaxed);
	pthread_mutex_unlock(&o->lock);
	if (mine)
		shrink_os_notify(o->fd);
	return mine;
}

/* Registry and owner lock held. What is unanswered goes back, or is forgotten. */
static void withdraw(struct shrink_owner *o, bool drop)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &o->shrinkers) {
		struct shrinker_impl *s = shrink_list_entry(pos, struct shrinker_impl, owner_link);

		for (int nid = 0; nid < s->nr_nodes; nid++) {
			long left = atomic_exchange_explicit(&s->node[nid].posted, 0,
							     memory_order_relaxed);

			if (left > 0 && !drop)
				atomic_fetch_add_explicit(&s->node[nid].nr_deferred, left,
							  memory_order_relaxed);
		}
	}
	o->pass = 0;
	shrink_os_drain(o->fd);
}

void shrink_owner_expire(uint64_t now, bool drop)
{
	struct shrink_list *pos;

	shrink_registry_lock();
	shrink_list_for_each(pos, &owners) {
		struct shrink_owner *o = shrink_list_entry(pos, struct shrink_owner, link);

		pthread_mutex_lock(&o->lock);
		if (o->pass && (drop || now >= o->deadline))
			withdraw(o, drop);
		pthread_mutex_unlock(&o->lock);
	}
	shrink_registry_unlock();
}

bool shrink_owner_outstanding(uint64_t now)
{
	struct shrink_list *pos;
	bool found = false;

	shrink_registry_lock();
	shrink_list_for_each(pos, &owners) {
		struct shrink_owner *o = shrink_list_entry(pos, struct shrink_owner, link);

		pthread_mutex_lock(&o->lock);
		found |= o->pass && now < o->deadline;
		pthread_mutex_unlock(&o->lock);
	}
	shrink_registry_unlock();
	return found;
}

/* A shrinker of the owner's with something posted, held; *ret_nid says where. */
static struct shrinker_impl *next_asked(struct shrink_owner *o, int *ret_nid)
{
	struct shrinker_impl *found = NULL;
	struct shrink_list *pos;

	shrink_registry_lock();
	shrink_list_for_each(pos, &o->shrinkers) {
		struct shrinker_impl *s = shrink_list_entry(pos, struct shrinker_impl, owner_link);

		for (int nid = 0; nid < s->nr_nodes && !found; nid++)
			if (atomic_load_explicit(&s->node[nid].posted, memory_order_relaxed) > 0 &&
			    shrinker_try_get(s)) {
				found = s;
				*ret_nid = nid;
			}
		if (found)
			break;
	}
	shrink_registry_unlock();
	return found;
}

/* Takes a batch off what is posted, so that nobody withdraws it meanwhile. */
static long take_batch(struct shrink_owner *o, struct shrinker_node *slot, long batch)
{
	long n;

	pthread_mutex_lock(&o->lock);
	n = atomic_load_explicit(&slot->posted, memory_order_relaxed);
	n = n < batch ? n : batch;
	if (n > 0)
		atomic_fetch_sub_explicit(&slot->posted, n, memory_order_relaxed);
	pthread_mutex_unlock(&o->lock);
	return n;
}

/* What is still posted there goes back to deferred, with @n taken but not done. */
static void give_back(struct shrink_owner *o, struct shrinker_node *slot, long n)
{
	pthread_mutex_lock(&o->lock);
	n += atomic_exchange_explicit(&slot->posted, 0, memory_order_relaxed);
	pthread_mutex_unlock(&o->lock);
	if (n > 0)
		atomic_fetch_add_explicit(&slot->nr_deferred, n, memory_order_relaxed);
}

static void answer(struct shrink_owner *o, struct shrink_pass *pass, struct shrinker_impl *s,
		   int nid)
{
	struct shrinker_node *slot = shrinker_slot(s, nid);
	long batch = atomic_load_explicit(&s->batch, memory_order_relaxed), n;
	uint64_t size = shrinker_object_bytes(s);

	while ((n = take_batch(o, slot, batch ? batch : SHRINK_BATCH)) > 0) {
		struct shrink_control sc = {
			.gfp_mask = pass->gfp_mask,
			.nid = nid,
			.nr_to_scan = (unsigned long)n,
			.nr_scanned = (unsigned long)n,
			.memcg = pass->memcg,
			.bytes_to_free = shrink_mul_div((uint64_t)n, size, 1),
			.deadline_nsec = pass->deadline,
		};

		if (shrink_slice_scan(pass, s, &sc) == SHRINK_STOP) {
			give_back(o, slot, n);
			return;
		}
		if (shrinker_dying(s) || !shrink_gate_goes_on(pass->generation) ||
		    (pass->deadline && shrink_os_clock() >= pass->deadline))
			return;
	}
}

/* The request is done once nothing is posted; else the descriptor stays readable. */
static void close_request(struct shrink_owner *o)
{
	struct shrinker_impl *s;
	int nid;

	s = next_asked(o, &nid);
	if (s) {
		shrinker_put(s);
		shrink_os_notify(o->fd);
		return;
	}
	pthread_mutex_lock(&o->lock);
	o->pass = 0;
	pthread_mutex_unlock(&o->lock);
}

long shrink_owner_run(struct shrink_owner *o, uint64_t budget_usec)
{
	struct shrink_pass pass = {.memcg = shrink_memcg_root_group};
	struct shrinker_impl *s;
	int nid;

	if (!o)
		return -EINVAL;
	if (shrink_context.depth)
		return -EDEADLK;
	shrink_os_drain(o->fd);
	if (!shrink_gate_enter())
		return 0;
	if (budget_usec)
		pass.deadline =
			shrink_add_u64(shrink_os_clock(), shrink_mul_div(budget_usec, 1000, 1));
	pthread_mutex_lock(&o->lock);
	pass.gfp_mask = (o->pass ? o->gfp_mask : SHRINK_GFP_ALL) & ~shrink_context.deny;
	pthread_mutex_unlock(&o->lock);
	pass.generation = shrink_gate_generation();

	while ((s = next_asked(o, &nid))) {
		answer(o, &pass, s, nid);
		shrinker_put(s);
		if ((pass.deadline && shrink_os_clock() >= pass.deadline) ||
		    !shrink_gate_pass(pass.generation))
			break;
	}
	shrink_pass_tell(&pass);
	close_request(o);
	shrink_gate_exit();
	return (long)pass.freed;
}

/* The child's descriptors of ours are closed; an owner gets a new one. Nobody
 * else holds its lock: the gate has let no pass run across the fork. */
void shrink_owner_fork_child(void)
{
	struct shrink_list *pos;

	shrink_list_for_each(pos, &owners) {
		struct shrink_owner *o = shrink_list_entry(pos, struct shrink_owner, link);

		pthread_mutex_init(&o->lock, NULL);
		o->fd = shrink_os_eventfd(0);
		withdraw(o, true);
	}
}
