// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * What may change while a shrinker lives. The application's wish and the
 * configuration's rules meet here: a rule replaces the wish while it stands, and
 * one from the environment cannot be overruled by a setter.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf.h>
#include <libshrink/core/life.h>

/* Under the registry lock. */
void shrinker_apply_rules(struct shrinker_impl *s)
{
	struct shrink_cache_rule r;

	shrink_conf_rule_for(s->name, &r);
	s->env = r.env;
	atomic_store_explicit(&s->seeks,
			      r.set & SHRINK_RULE_SEEKS ? (int)r.seeks : s->base_seeks,
			      memory_order_relaxed);
	atomic_store_explicit(&s->keep, r.set & SHRINK_RULE_KEEP ? r.keep : s->base_keep,
			      memory_order_relaxed);
	atomic_store_explicit(&s->weight, r.set & SHRINK_RULE_WEIGHT ? r.weight : 100,
			      memory_order_relaxed);
	atomic_store_explicit(&s->enabled,
			      r.set & SHRINK_RULE_ENABLED ? (int)r.enabled : s->base_enabled,
			      memory_order_relaxed);
}

/* Takes the wish down, and lets the rules say what comes of it. */
static int set(struct shrinker *pub, unsigned int rule,
	       void (*wish)(struct shrinker_impl *s, long v), long value)
{
	struct shrinker_impl *s = shrinker_impl(pub);
	int r = 0;

	if (!pub)
		return -EINVAL;
	shrink_registry_lock();
	wish(s, value);
	shrinker_apply_rules(s);
	if (s->env & rule)
		r = -EPERM;
	shrink_registry_unlock();
	shrink_registry_changed(NULL);
	return r;
}

static void wish_seeks(struct shrinker_impl *s, long v)
{
	s->pub.seeks = s->base_seeks = (int)v;
}

static void wish_keep(struct shrinker_impl *s, long v)
{
	s->pub.keep = s->base_keep = (unsigned long)v;
}

static void wish_enabled(struct shrinker_impl *s, long v)
{
	s->base_enabled = v != 0;
}

static void wish_batch(struct shrinker_impl *s, long v)
{
	s->pub.batch = v;
	atomic_store_explicit(&s->batch, v, memory_order_relaxed);
}

int shrinker_set_batch(struct shrinker *s, long batch)
{
	return batch < 0 ? -EINVAL : set(s, 0, wish_batch, batch);
}

int shrinker_set_seeks(struct shrinker *s, int seeks)
{
	return seeks < 0 ? -EINVAL : set(s, SHRINK_RULE_SEEKS, wish_seeks, seeks);
}

int shrinker_set_keep(struct shrinker *s, unsigned long objects)
{
	return objects > LONG_MAX ? -EINVAL : set(s, SHRINK_RULE_KEEP, wish_keep, (long)objects);
}

int shrinker_set_enabled(struct shrinker *s, int enabled)
{
	return set(s, SHRINK_RULE_ENABLED, wish_enabled, enabled);
}

int shrinker_set_name(struct shrinker *pub, const char *fmt, ...)
{
	struct shrinker_impl *s = shrinker_impl(pub);
	char name[SHRINK_NAME_MAX];
	va_list args;
	int n;

	if (!pub || !fmt)
		return -EINVAL;
	va_start(args, fmt);
	n = vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (n <= 0)
		return -EINVAL;
	shrink_registry_lock();
	memcpy(s->name, name, sizeof(name));
	if (s->state != SHRINKER_A)
		shrinker_apply_rules(s);
	shrink_registry_unlock();
	shrink_registry_changed(NULL);
	return 0;
}

int shrinker_id(const struct shrinker *s)
{
	return s ? shrinker_impl(s)->id : -EINVAL;
}

int shrinker_get_name(struct shrinker *pub, char *buf, size_t size)
{
	struct shrinker_impl *s = shrinker_impl(pub);
	int n;

	if (!pub || (!buf && size))
		return -EINVAL;
	shrink_registry_lock();
	n = snprintf(buf, size, "%s-%d", s->name, s->id);
	shrink_registry_unlock();
	return n;
}

/* Own node only: an unaware shrinker has one, whatever the caller says. */
static struct shrinker_node *checked_slot(struct shrinker *s, int nid)
{
	if (!s || nid < 0 || nid >= shrink_core_nr_nodes())
		return NULL;
	return shrinker_slot(shrinker_impl(s), nid);
}

int shrinker_set_count(struct shrinker *s, int nid, unsigned long objects, uint64_t bytes)
{
	struct shrinker_node *slot = checked_slot(s, nid);

	if (!slot || !s->owner || objects > LONG_MAX)
		return -EINVAL;
	atomic_store_explicit(&slot->pub_objects, objects, memory_order_relaxed);
	atomic_store_explicit(&slot->pub_bytes, bytes, memory_order_relaxed);
	return 0;
}

int shrinker_complete(struct shrinker *s, int nid, unsigned long objects, uint64_t bytes)
{
	struct shrinker_node *slot = checked_slot(s, nid);

	if (!slot || objects > LONG_MAX || bytes > INT64_MAX)
		return -EINVAL;
	if (!bytes)
		bytes = shrink_mul_div(objects, shrinker_object_bytes(shrinker_impl(s)), 1);
	atomic_fetch_sub_explicit(&slot->pending_objects, (int64_t)objects, memory_order_relaxed);
	atomic_fetch_sub_explicit(&slot->pending_bytes, (int64_t)bytes, memory_order_relaxed);
	atomic_fetch_sub_explicit(&shrink_core_stats.pending_bytes, (int64_t)bytes,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&shrink_core_stats.completed_bytes, bytes, memory_order_relaxed);
	return 0;
}
