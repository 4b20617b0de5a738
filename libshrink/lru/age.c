// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The clock, the pace, and who runs the pass. */
#include <errno.h>

#include <libshrink/base/conf.h>
#include <libshrink/lru/age.h>
#include <libshrink/os/clock.h>

/* Objects a scan looks at: between two of them pressure may take the worker away. */
#define SCAN 1024

static pthread_mutex_t ages_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ages_idle = PTHREAD_COND_INITIALIZER;
static struct shrink_list ages = SHRINK_LIST_INIT(ages);
static void (*change_hook)(void);

static void lock_ages(struct shrink_lruvec_fork *self)
{
	(void)self;
	pthread_mutex_lock(&ages_lock);
}

static void unlock_ages(struct shrink_lruvec_fork *self)
{
	(void)self;
	pthread_mutex_unlock(&ages_lock);
}

/* A child has none of the threads that ran passes. */
static void forget_runners(struct shrink_lruvec_fork *self)
{
	struct shrink_list *pos;

	(void)self;
	shrink_list_for_each(pos, &ages)
		shrink_list_entry(pos, struct shrink_age, link)->running = false;
	pthread_cond_init(&ages_idle, NULL);
	pthread_mutex_unlock(&ages_lock);
}

static struct shrink_lruvec_fork ages_fork = {
	.lock = lock_ages, .unlock = unlock_ages, .child = forget_runners,
};

static uint64_t period(const struct shrink_age *age)
{
	uint64_t msec = age->o.period_msec ? age->o.period_msec : SHRINK_TUN(age_period);

	return msec * NSEC_PER_MSEC;
}

static bool is_on(const struct shrink_age *age)
{
	return age->o.flags & SHRINK_AGE_ON || SHRINK_TUN(age);
}

static uint64_t step_time(const struct shrink_age *age)
{
	return shrink_max_u64(period(age) / SHRINK_AGE_STEPS, 1);
}

int shrink_age_arm_fork(void)
{
	/* its own lock: fork() takes the list's before that of ages */
	static pthread_mutex_t arm_lock = PTHREAD_MUTEX_INITIALIZER;
	static bool armed;
	int r = 0;

	pthread_mutex_lock(&arm_lock);
	if (!armed)
		r = shrink_lruvec_enlist(SHRINK_LRUVEC_FORK_AGES, &ages_fork);
	armed |= r == 0;
	pthread_mutex_unlock(&arm_lock);
	return r;
}

void shrink_age_list(struct shrink_age *age)
{
	void (*changed)(void);

	age->base = shrink_os_clock();
	pthread_mutex_lock(&ages_lock);
	age->next_step = age->base + step_time(age);
	shrink_list_add_tail(&age->link, &ages);
	changed = change_hook;
	pthread_mutex_unlock(&ages_lock);
	if (changed)
		changed();
}

void shrink_age_unlist(struct shrink_age *age)
{
	if (!age->link.next)
		return;
	pthread_mutex_lock(&ages_lock);
	age->dying = true;
	while (age->running)
		pthread_cond_wait(&ages_idle, &ages_lock);
	shrink_list_del(&age->link);
	pthread_mutex_unlock(&ages_lock);
}

void shrink_age_on_change(void (*changed)(void))
{
	pthread_mutex_lock(&ages_lock);
	change_hook = changed;
	pthread_mutex_unlock(&ages_lock);
}

/* Ages that are off are looked at once a step: somebody may switch them on. */
uint64_t shrink_age_next(void)
{
	uint64_t next = UINT64_MAX;
	struct shrink_list *pos;

	pthread_mutex_lock(&ages_lock);
	shrink_list_for_each(pos, &ages) {
		struct shrink_age *age = shrink_list_entry(pos, struct shrink_age, link);

		if (!age->running && !age->dying)
			next = shrink_min_u64(next, age->next_step);
	}
	pthread_mutex_unlock(&ages_lock);
	return next;
}

/* An age whose step is due, claimed for this thread; NULL: none. */
static struct shrink_age *claim_due(uint64_t now)
{
	struct shrink_age *due = NULL;
	struct shrink_list *pos;

	pthread_mutex_lock(&ages_lock);
	shrink_list_for_each(pos, &ages) {
		struct shrink_age *age = shrink_list_entry(pos, struct shrink_age, link);

		if (age->running || age->dying || age->next_step > now)
			continue;
		age->next_step = now + step_time(age);
		age->running = true;
		due = age;
		break;
	}
	pthread_mutex_unlock(&ages_lock);
	return due;
}

static void release(struct shrink_age *age)
{
	pthread_mutex_lock(&ages_lock);
	age->running = false;
	if (age->dying)
		pthread_cond_broadcast(&ages_idle);
	pthread_mutex_unlock(&ages_lock);
}

/* Runner: as many ticks as periods have passed, also where a pass came late. */
static void advance(struct shrink_age *age, uint64_t now)
{
	uint64_t ticks = shrink_sub_u64(now, age->base) / period(age);
	uint32_t stamp;

	if (!ticks)
		return;
	stamp = __atomic_load_n(&age->fast.stamp, __ATOMIC_RELAXED);
	stamp += (uint32_t)ticks << SHRINK_FAST_AGE_SHIFT;
	__atomic_store_n(&age->fast.stamp, stamp, __ATOMIC_RELAXED);
	age->base += ticks * period(age);
	age->freed_tick = 0;
	age->objects_tick = 0;
}

/* A tour has ended: what it saw is what there is. */
static void publish(struct shrink_age *age)
{
	pthread_mutex_lock(&age->stats_lock);
	age->stats.passes++;
	age->stats.hot = age->seen[SHRINK_HOT];
	age->stats.warm = age->seen[SHRINK_WARM];
	age->stats.cold = age->seen[SHRINK_COLD];
	age->stats.refaulted = age->seen[SHRINK_REFAULTED];
	pthread_mutex_unlock(&age->stats_lock);
	age->toured = 0;
	for (int i = 0; i < 4; i++)
		age->seen[i] = 0;
}

/* What a run may do, and has done. */
struct run {
	struct shrink_pass pass;
	struct shrinker_impl *s;
	bool (*stop)(void);
	uint64_t max; /* objects freed; UINT64_MAX = no limit */
	uint64_t freed;
};

static bool run_over(struct run *r)
{
	return r->pass.stopped || shrinker_dying(r->s) || (r->stop && r->stop()) ||
	       !shrink_gate_goes_on(r->pass.generation);
}

static void run_node(struct shrink_age *age, struct run *r, int nid, uint64_t look)
{
	while (look && !run_over(r)) {
		struct shrink_control sc = {
			.gfp_mask = r->pass.gfp_mask,
			.nid = nid,
			.memcg = r->pass.memcg,
			.nr_to_scan = (unsigned long)shrink_min_u64(look, SCAN),
		};
		unsigned long n;

		sc.nr_scanned = sc.nr_to_scan;
		age->max_free = shrink_sub_u64(r->max, r->freed);
		n = shrink_slice_scan(&r->pass, r->s, &sc);
		r->freed += n == SHRINK_STOP ? 0 : n;
		look = shrink_sub_u64(look, shrink_max_u64(sc.nr_scanned, 1));
	}
}

/* What may still go in this tick: a share of what there was at its first step. */
static uint64_t tick_share(struct shrink_age *age)
{
	if (!age->objects_tick)
		age->objects_tick = shrink_lruvec_all_objects(age->lv);
	return shrink_sub_u64(age->objects_tick * age->o.free_percent / 100 + 1, age->freed_tick);
}

/* Inside the gate, claimed. @whole: every object, else a step's share. */
static void run(struct shrink_age *age, struct run *r, bool whole)
{
	struct shrink_lruvec *lv = age->lv;

	advance(age, shrink_os_clock());
	if (!age->toured)
		age->tour_size = shrink_lruvec_all_objects(lv);
	if (!whole)
		r->max = tick_share(age);
	for (int nid = 0; nid < lv->nr_nodes && !run_over(r); nid++) {
		uint64_t objects = shrink_lruvec_node_objects(lv, nid);

		run_node(age, r, nid,
			 whole ? objects : shrink_age_share(objects, SHRINK_AGE_STEPS));
	}
	age->freed_tick += r->freed;
	if (age->toured >= age->tour_size)
		publish(age);
}

/* Objects freed; -ENOTCONN. */
static long run_gated(struct shrink_age *age, struct shrink_ticker *ticker, bool (*stop)(void),
		      uint64_t max, bool whole)
{
	struct run r = {
		.pass = {
			.gfp_mask = SHRINK_GFP_ALL & ~shrink_context.deny,
			.memcg = shrink_memcg_root(),
			.ticker = ticker,
		},
		.s = shrinker_impl(age->shrinker),
		.stop = stop,
		.max = max,
	};

	if (!shrink_gate_enter())
		return -ENOTCONN;
	r.pass.generation = shrink_gate_generation();
	if (shrinker_try_get(r.s)) {
		run(age, &r, whole);
		shrink_pass_tell(&r.pass);
		shrinker_put(r.s);
	}
	shrink_gate_exit();
	return (long)r.freed;
}

/* Another worker goes on in this one's place. */
static bool lost(struct shrink_ticker *ticker)
{
	return ticker && atomic_load_explicit(&ticker->lost, memory_order_relaxed);
}

uint64_t shrink_age_turn(struct shrink_ticker *ticker, bool (*stop)(void))
{
	uint64_t now = shrink_os_clock(), freed = 0;
	struct shrink_age *age;

	while (!(stop && stop()) && !lost(ticker) && (age = claim_due(now))) {
		long n = is_on(age) ? run_gated(age, ticker, stop, UINT64_MAX, false) : 0;

		freed += n > 0 ? (uint64_t)n : 0;
		release(age);
	}
	return freed;
}

long shrink_age_run(struct shrink_age *age, unsigned long max)
{
	bool mine;
	long n;

	if (!age)
		return -EINVAL;
	if (shrink_context.depth)
		return -EDEADLK;
	pthread_mutex_lock(&ages_lock);
	mine = !age->running && !age->dying;
	age->running |= mine;
	pthread_mutex_unlock(&ages_lock);
	if (!mine)
		return -EALREADY;
	n = run_gated(age, NULL, NULL, max ? max : UINT64_MAX, true);
	release(age);
	return n;
}
