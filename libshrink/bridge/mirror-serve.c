// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The worker's side: what is asked, done; what is there, counted. */
#include <errno.h>

#include <libshrink/base/conf.h>
#include <libshrink/bridge/mirror.h>
#include <libshrink/core/request.h>
#include <libshrink/os/clock.h>

static struct shrink_mirror *const m = &shrink_mirror;

/* What of a place is needed without the lock, and to find out whether it is still it. */
struct job {
	struct shrinker_impl *s; /* held */
	uint64_t epoch, since;
	uint64_t seq, objects, before;
	unsigned int index;
	int nid;
	bool answer; /* only: its shrinker has gone */
};

/* Lock held. */
static struct mirror_place *place_of(const struct job *job)
{
	struct mirror_cache *c = &m->cache[job->index];

	if (m->epoch != job->epoch || c->since != job->since)
		return NULL;
	return &c->place[job->nid];
}

/* Between two callbacks: a fork may come by, a stop may end it. */
static bool goes_on(struct shrink_pass *pass)
{
	if (!pass->stopped && !shrink_gate_pass(pass->generation))
		pass->stopped = true;
	return !pass->stopped;
}

/* The request is over, by whatever end: page first, then the answer. */
static void end_job(struct shrink_pass *pass, const struct job *job, uint64_t freed)
{
	bool counts = !pass->stopped && shrink_gate_goes_on(pass->generation);
	unsigned long left = 0;
	struct mirror_place *p;
	bool ours;

	if (counts)
		left = shrink_request_count(pass, job->s, job->nid);
	pthread_mutex_lock(&m->lock);
	p = place_of(job);
	ours = p && p->state == MIRROR_SERVING && p->seq == job->seq;
	if (ours) {
		p->state = MIRROR_NONE;
		if (counts)
			shrink_mirror_publish(&m->cache[job->index], job->nid, left);
	}
	pthread_mutex_unlock(&m->lock);
	if (ours)
		shrink_mirror_answer(job->index, job->nid, job->seq, freed);
}

static void set_state(const struct job *job, enum mirror_state state)
{
	struct mirror_place *p;

	pthread_mutex_lock(&m->lock);
	p = place_of(job);
	if (p) {
		p->state = state;
		p->before = job->before;
	}
	pthread_mutex_unlock(&m->lock);
}

static uint64_t freed_so_far(struct shrinker_impl *s, int nid)
{
	return atomic_load_explicit(&shrinker_slot(s, nid)->freed, memory_order_relaxed);
}

/* An owner's cache is only ever touched on its own thread. */
static void post_job(struct shrink_pass *pass, struct job *job)
{
	long n;

	job->before = freed_so_far(job->s, job->nid);
	n = shrink_request_post(pass, job->s, job->nid, job->objects);
	if (n == -EAGAIN)
		set_state(job, MIRROR_ASKED);
	else if (n > 0)
		set_state(job, MIRROR_POSTED);
	else
		end_job(pass, job, 0);
}

/* What an owner has been asked is over when nothing of it is posted any more: done, or
 * taken back when its time was up. */
static void look_after_job(struct shrink_pass *pass, struct job *job)
{
	struct shrinker_node *slot = shrinker_slot(job->s, job->nid);
	uint64_t freed = freed_so_far(job->s, job->nid) - job->before;

	if (atomic_load_explicit(&slot->posted, memory_order_relaxed) > 0)
		set_state(job, MIRROR_POSTED);
	else
		end_job(pass, job, freed < job->objects ? freed : job->objects);
}

static void do_job(struct shrink_pass *pass, struct job *job, enum mirror_state was)
{
	if (was == MIRROR_POSTED)
		look_after_job(pass, job);
	else if (job->s->pub.owner)
		post_job(pass, job);
	else
		end_job(pass, job,
			shrink_request_scan(pass, job->s, job->nid, (unsigned long)job->objects));
}

/* Makes a place that waits ours; MIRROR_NONE: it does not. One whose shrinker has gone, or
 * is about to, is answered with nothing. */
static enum mirror_state take_job(struct job *job, unsigned int index, int nid)
{
	struct mirror_cache *c = &m->cache[index];
	enum mirror_state was = MIRROR_NONE;
	struct mirror_place *p;

	pthread_mutex_lock(&m->lock);
	p = c->since && nid < m->nr_nodes ? &c->place[nid] : NULL;
	if (p && (p->state == MIRROR_ASKED || p->state == MIRROR_POSTED)) {
		was = p->state;
		*job = (struct job){
			.s = c->s && shrinker_try_get(c->s) ? c->s : NULL,
			.epoch = m->epoch,
			.since = c->since,
			.seq = p->seq,
			.objects = p->objects,
			.before = p->before,
			.index = index,
			.nid = nid,
		};
		p->state = job->s ? MIRROR_SERVING : MIRROR_NONE;
	}
	pthread_mutex_unlock(&m->lock);
	return was;
}

/* One place; true: there was something to scan. */
static bool serve_place(struct shrink_pass *pass, unsigned int index, int nid)
{
	struct job job;
	enum mirror_state was = take_job(&job, index, nid);

	if (was == MIRROR_NONE)
		return false;
	if (!job.s) {
		shrink_mirror_answer(index, nid, job.seq, 0);
		return false;
	}
	do_job(pass, &job, was);
	shrinker_put(job.s);
	return was == MIRROR_ASKED;
}

static bool serve_all(struct shrink_pass *pass)
{
	bool any = false;

	for (unsigned int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		for (int nid = 0; nid < m->nr_nodes && goes_on(pass); nid++)
			any |= serve_place(pass, i, nid);
	return any;
}

/* Holds the cache's shrinker; NULL: it has none. */
static struct shrinker_impl *hold(unsigned int index, uint64_t *ret_since)
{
	struct shrinker_impl *s;

	pthread_mutex_lock(&m->lock);
	s = m->cache[index].s;
	if (s && !shrinker_try_get(s))
		s = NULL;
	*ret_since = m->cache[index].since;
	pthread_mutex_unlock(&m->lock);
	return s;
}

static void count_cache(struct shrink_pass *pass, unsigned int index)
{
	uint64_t since;
	struct shrinker_impl *s = hold(index, &since);

	for (int nid = 0; s && nid < s->nr_nodes && nid < m->nr_nodes && goes_on(pass); nid++) {
		unsigned long n = shrink_request_count(pass, s, nid);

		if (!shrink_gate_goes_on(pass->generation))
			break; /* the child of a fork in there has no page */
		pthread_mutex_lock(&m->lock);
		if (m->cache[index].s == s && m->cache[index].since == since)
			shrink_mirror_publish(&m->cache[index], nid, n);
		pthread_mutex_unlock(&m->lock);
	}
	if (s)
		shrinker_put(s);
}

void shrink_mirror_serve(struct shrink_pass *pass)
{
	uint64_t now = shrink_os_clock();

	shrink_request_begin(pass);
	if (!serve_all(pass) &&
	    shrink_sub_u64(now, atomic_load(&m->counted_nsec)) <
		    SHRINK_TUN(bridge_count) * NSEC_PER_MSEC)
		return;
	/* Before they are: one that is registered meanwhile has them counted again. */
	atomic_store(&m->counted_nsec, now);
	for (unsigned int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		count_cache(pass, i);
	if (pass->stopped)
		atomic_store(&m->counted_nsec, 0);
}
