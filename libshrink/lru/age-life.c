// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* An age's life, and its account. */
#include <errno.h>
#include <string.h>

#include <libshrink/lru/age.h>
#include <libshrink/os/alloc.h>

#define COLD_TICKS 5
#define HOT_HITS 8
#define HOT_HITS_MAX 14 /* a stamp counts to 15 */
#define HOT_TICKS 5
#define IMMUNE_TICKS 20
#define TICKS_MAX 1000000
#define PERIOD_MSEC_MAX 86400000
#define FREE_PERCENT 10

/* Pressure finds nothing here: what is cold is on the lruvec's own lists. */
static unsigned long count_nothing(struct shrinker *s, struct shrink_control *sc)
{
	(void)s;
	(void)sc;
	return 0;
}

static int check(const struct shrink_age_options *o)
{
	if (o->flags & ~SHRINK_AGE_ON || o->hot_hits > HOT_HITS_MAX || o->free_percent > 100)
		return -EINVAL;
	if (o->cold_ticks > TICKS_MAX || o->hot_ticks > TICKS_MAX || o->immune_ticks > TICKS_MAX)
		return -EINVAL;
	return o->period_msec > PERIOD_MSEC_MAX ? -EINVAL : 0;
}

static void take_defaults(struct shrink_age *age)
{
	struct shrink_age_options *o = &age->o;

	o->cold_ticks = o->cold_ticks ? o->cold_ticks : COLD_TICKS;
	o->hot_hits = o->hot_hits ? o->hot_hits : HOT_HITS;
	o->hot_ticks = o->hot_ticks ? o->hot_ticks : HOT_TICKS;
	o->immune_ticks = o->immune_ticks ? o->immune_ticks : IMMUNE_TICKS;
	o->free_percent = o->free_percent ? o->free_percent : FREE_PERCENT;
	age->rules = (struct shrink_temperature_rules){o->cold_ticks, o->hot_hits, o->hot_ticks,
						       o->immune_ticks};
}

static int add_shrinker(struct shrink_age *age)
{
	const struct shrinker *of = age->lv->shrinker;

	/* it goes through all groups by itself */
	age->shrinker = shrinker_alloc(of->flags & ~SHRINKER_MEMCG_AWARE, "%s-age",
				       shrinker_impl(of)->name);
	if (!age->shrinker)
		return -errno;
	age->shrinker->count_objects = count_nothing;
	age->shrinker->scan_objects = shrink_age_scan;
	age->shrinker->private_data = age;
	age->shrinker->object_size = of->object_size;
	return shrinker_register(age->shrinker);
}

static int set_up(struct shrink_age *age)
{
	int r = shrink_age_arm_fork();

	if (r < 0)
		return r;
	take_defaults(age);
	r = add_shrinker(age);
	if (r < 0)
		return r;
	age->lv->age = age;
	shrink_age_list(age);
	return 0;
}

struct shrink_age *shrink_age_create(struct shrink_lruvec *lv,
				     const struct shrink_age_options *options, size_t size)
{
	struct shrink_age_options o = {0};
	struct shrink_age *age = NULL;
	int r;

	if (options)
		memcpy(&o, options, size < sizeof(o) ? size : sizeof(o));
	r = lv ? check(&o) : -EINVAL;
	if (!r && lv->age)
		r = -EBUSY;
	if (!r) {
		age = shrink_os_alloc(sizeof(*age));
		r = age ? 0 : -ENOMEM;
	}
	if (age) {
		pthread_mutex_init(&age->stats_lock, NULL);
		age->lv = lv;
		age->o = o;
		r = set_up(age);
	}
	if (r < 0) {
		shrink_age_destroy(age);
		errno = -r;
		return NULL;
	}
	return age;
}

void shrink_age_destroy(struct shrink_age *age)
{
	if (!age)
		return;
	shrink_age_unlist(age);
	shrinker_free(age->shrinker);
	if (age->lv->age == age)
		age->lv->age = NULL;
	pthread_mutex_destroy(&age->stats_lock);
	shrink_os_free(age);
}

const struct shrink_fast_age *shrink_age_fast(const struct shrink_age *age)
{
	return age ? &age->fast : NULL;
}

uint32_t shrink_age_tick(const struct shrink_age *age)
{
	if (!age)
		return 0;
	return __atomic_load_n(&age->fast.stamp, __ATOMIC_RELAXED) >> SHRINK_FAST_AGE_SHIFT;
}

int shrink_age_stats(struct shrink_age *age, struct shrink_age_stats *ret_stats, size_t size)
{
	struct shrink_age_stats stats;

	if (!age || !ret_stats || !size)
		return -EINVAL;
	pthread_mutex_lock(&age->stats_lock);
	stats = age->stats;
	pthread_mutex_unlock(&age->stats_lock);
	memset(ret_stats, 0, size);
	memcpy(ret_stats, &stats, size < sizeof(stats) ? size : sizeof(stats));
	return 0;
}
