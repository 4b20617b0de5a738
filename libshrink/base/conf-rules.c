// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Per-cache rules: "cache.<glob>.<key>". A list in the order of arrival in a fixed
 * table, so that the last match of the strongest origin decides. A pattern and key
 * given again replaces its older self and becomes the latest.
 */
#include <errno.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf-priv.h>

#define PREFIX "cache."
#define RULES_MAX 64
#define GLOB_SIZE 64

enum shrink_rule_key {
	KEY_SEEKS,
	KEY_KEEP,
	KEY_WEIGHT,
	KEY_ENABLED,
	KEYS
};

#define ROW_NUM(name_, unit_, def_, min_, max_, when_, help_)                                      \
	{.name = #name_, .unit = unit_, .help = help_, .kind = SHRINK_KIND_NUM,                    \
	 .def = def_, .min = min_, .max = max_},
#define ROW_WORD(name_, words_, def_, when_, help_)                                                \
	{.name = #name_, .unit = "", .words = words_, .help = help_, .kind = SHRINK_KIND_WORD,     \
	 .def = def_},
static const struct shrink_tunable keys[] = {SHRINK_CACHE_KEYS(ROW_NUM, ROW_WORD)};
_Static_assert(SHRINK_ARRAY_SIZE(keys) == KEYS, "SHRINK_CACHE_KEYS and enum shrink_rule_key");

struct rule {
	char glob[GLOB_SIZE];
	unsigned char key;    /* enum shrink_rule_key */
	unsigned char origin; /* enum shrink_conf_origin */
	uint64_t value;
};

static struct rule rules[RULES_MAX]; /* oldest first; under shrink_conf_lock */
static unsigned int nr_rules, generation;
static _Atomic(void (*)(void)) listener;

int shrink_conf_is_rule(const char *key)
{
	return !strncmp(key, PREFIX, sizeof(PREFIX) - 1);
}

/* The last dot parts pattern and key: names of caches may have dots. */
static const char *glob_of(const char *key, size_t *ret_len)
{
	const char *glob = key + sizeof(PREFIX) - 1, *dot = strrchr(glob, '.');

	*ret_len = dot ? (size_t)(dot - glob) : 0;
	return dot ? glob : NULL;
}

const struct shrink_tunable *shrink_conf_rule_find(const char *key)
{
	size_t len;
	const char *glob = glob_of(key, &len);

	if (!glob || !len)
		return NULL;
	for (size_t i = 0; i < KEYS; i++)
		if (!strcmp(glob + len + 1, keys[i].name))
			return &keys[i];
	return NULL;
}

const char *shrink_conf_rule_key_name(unsigned int index)
{
	return index < KEYS ? keys[index].name : NULL;
}

/* Where the rule of exactly this key is, or nr_rules. */
static unsigned int rule_index(const char *key, const struct shrink_tunable *t)
{
	unsigned int i;
	size_t len;
	const char *glob = glob_of(key, &len);

	for (i = 0; i < nr_rules; i++)
		if (&keys[rules[i].key] == t && strlen(rules[i].glob) == len &&
		    !memcmp(rules[i].glob, glob, len))
			break;
	return i;
}

static void rule_append(const char *key, const struct shrink_tunable *t, uint64_t value,
			enum shrink_conf_origin origin)
{
	struct rule *r = &rules[nr_rules++];
	size_t len;
	const char *glob = glob_of(key, &len);

	*r = (struct rule){.key = (unsigned char)(t - keys),
			   .origin = (unsigned char)origin,
			   .value = value};
	memcpy(r->glob, glob, len);
	generation++;
}

int shrink_conf_rule_assign(const char *key, const char *value, enum shrink_conf_origin origin)
{
	const struct shrink_tunable *t = shrink_conf_rule_find(key);
	unsigned int i;
	size_t len;
	uint64_t v;
	int r;

	if (!t)
		return -ENOENT;
	glob_of(key, &len);
	if (len >= GLOB_SIZE)
		return -ENAMETOOLONG;
	r = shrink_conf_read(t, value, &v);
	if (r < 0)
		return r;
	i = rule_index(key, t);
	if (i < nr_rules) {
		if (rules[i].origin > origin)
			return -EPERM;
		memmove(&rules[i], &rules[i + 1], (--nr_rules - i) * sizeof(rules[0]));
	} else if (nr_rules == RULES_MAX) {
		return -ENOSPC;
	}
	rule_append(key, t, v, origin);
	return 0;
}

int shrink_conf_rule_print(const char *key, char *buf, size_t size)
{
	const struct shrink_tunable *t = shrink_conf_rule_find(key);
	unsigned int i = t ? rule_index(key, t) : nr_rules;

	return i < nr_rules ? shrink_conf_write(t, rules[i].value, buf, size) : -ENOENT;
}

/* '*' any number of characters, '?' one. On a mismatch only the latest '*' takes
 * one character more: an earlier one could not do better. */
static int glob_match(const char *glob, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*glob == '*') {
			star = glob++;
			resume = text;
		} else if (*glob == '?' || *glob == *text) {
			glob++;
			text++;
		} else if (star) {
			glob = star + 1;
			text = ++resume;
		} else {
			return 0;
		}
	}
	return !glob[strspn(glob, "*")];
}

static uint64_t *rule_field(struct shrink_cache_rule *rule, unsigned int key)
{
	switch (key) {
	case KEY_SEEKS:
		return &rule->seeks;
	case KEY_KEEP:
		return &rule->keep;
	case KEY_WEIGHT:
		return &rule->weight;
	default:
		return &rule->enabled;
	}
}

void shrink_conf_rule_for(const char *name, struct shrink_cache_rule *ret_rule)
{
	unsigned char best[KEYS] = {0};

	*ret_rule = (struct shrink_cache_rule){0};
	for (unsigned int k = 0; k < KEYS; k++)
		*rule_field(ret_rule, k) = keys[k].def;
	pthread_mutex_lock(&shrink_conf_lock);
	for (unsigned int i = 0; i < nr_rules; i++) {
		const struct rule *r = &rules[i];

		if (r->origin < best[r->key] || !glob_match(r->glob, name))
			continue;
		best[r->key] = r->origin;
		*rule_field(ret_rule, r->key) = r->value;
		ret_rule->set |= 1U << r->key;
		if (r->origin == SHRINK_CONF_ENV)
			ret_rule->env |= 1U << r->key;
	}
	pthread_mutex_unlock(&shrink_conf_lock);
}

unsigned int shrink_conf_rules_generation(void)
{
	return generation;
}

void shrink_conf_on_rules_changed(void (*changed)(void))
{
	atomic_store(&listener, changed);
}

void shrink_conf_rules_forget(void)
{
	nr_rules = 0;
	generation++;
}

void shrink_conf_rules_tell(void)
{
	void (*changed)(void) = atomic_load(&listener);

	if (changed)
		changed();
}
