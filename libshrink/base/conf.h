/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Values of the tunables, and the per-cache rules. Reading one is a relaxed
 * load, so that any layer may look as often as it likes.
 */
#ifndef SHRINK_BASE_CONF_H
#define SHRINK_BASE_CONF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <shrink/conf.h>
#include <libshrink/base/tunables.h>

#define SHRINK_CONF_NUM(name, ...) _Atomic uint64_t name;
#define SHRINK_CONF_WORD(name, ...) _Atomic uint64_t name;
#define SHRINK_CONF_TEXT(name, size, ...) char name[size];
struct shrink_tunables {
	SHRINK_TUNABLES(SHRINK_CONF_NUM, SHRINK_CONF_WORD, SHRINK_CONF_TEXT)
};
#undef SHRINK_CONF_NUM
#undef SHRINK_CONF_WORD
#undef SHRINK_CONF_TEXT

extern struct shrink_tunables shrink_tunables;

/* The value in force of a number or word. */
#define SHRINK_TUN(name) atomic_load_explicit(&shrink_tunables.name, memory_order_relaxed)

/* Who set a value; a weaker one does not overwrite a stronger one's. */
enum shrink_conf_origin {
	SHRINK_CONF_DEFAULT,
	SHRINK_CONF_PROGRAM, /* the shrink_conf symbol */
	SHRINK_CONF_API,
	SHRINK_CONF_ENV
};

/* Parses a whole "key:value,..." text (grammar: libshrink.conf(5)). Each error is
 * logged, kept for shrink_conf_errors() and counted in the return value; the value
 * it concerns stays as it was. NULL is an empty text. */
int shrink_conf_parse(const char *text, enum shrink_conf_origin origin);
/* Parses the program's text and the environment's, in this order, the first time
 * it is called and never again; concurrent callers wait. Returns the number of
 * errors so far. */
int shrink_conf_load_once(const char *program, const char *env);
int shrink_conf_loaded(void);
/* One key; returns as shrink_conf_set(). Nothing is logged: the caller knows. */
int shrink_conf_set_one(const char *key, const char *value, enum shrink_conf_origin origin);
/* The public shrink_conf_get(), _errors() and _entry() without their first load. */
int shrink_conf_text(const char *key, char *buf, size_t size);
int shrink_conf_kept_errors(char *buf, size_t size);
int shrink_conf_describe(unsigned int index, struct shrink_conf_entry *ret_entry);

/* What the rules "cache.<glob>.<key>" say of one cache. */
enum {
	SHRINK_RULE_SEEKS = 1,
	SHRINK_RULE_KEEP = 2,
	SHRINK_RULE_WEIGHT = 4,
	SHRINK_RULE_ENABLED = 8
};

struct shrink_cache_rule {
	unsigned int set;  /* SHRINK_RULE_*: which of the below are given */
	unsigned int env;  /* of these, given by the environment: API setters lose */
	uint64_t seeks, keep, weight, enabled;
};

/* The rules for a cache of this name (without its id), merged: a later rule of
 * the same origin wins, a stronger origin wins over a weaker one. Any thread. */
void shrink_conf_rule_for(const char *name, struct shrink_cache_rule *ret_rule);

/* Called, with no lock held, after rules have changed at run time. */
void shrink_conf_on_rules_changed(void (*changed)(void));

/* Test: as if nothing had been said yet. */
void shrink_conf_forget(void);

/* Around fork(): the child must not inherit a lock that another thread holds. */
void shrink_conf_fork_prepare(void);
void shrink_conf_fork_parent(void);
void shrink_conf_fork_child(void);

#endif /* SHRINK_BASE_CONF_H */
