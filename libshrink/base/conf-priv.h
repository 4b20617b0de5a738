/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * What the files of the configuration share: conf.c has the values, conf-rules.c
 * the per-cache rules, conf-parse.c the grammar, conf-report.c the complaints.
 *
 * One lock, shrink_conf_lock, guards all of it but the atomic values themselves.
 * Nothing is logged and nobody is called while it is held: complaints are
 * collected in a struct shrink_conf_report and said after unlocking.
 */
#ifndef SHRINK_BASE_CONF_PRIV_H
#define SHRINK_BASE_CONF_PRIV_H

#include <pthread.h>

#include <libshrink/base/conf.h>

enum shrink_tunable_kind {
	SHRINK_KIND_NUM,
	SHRINK_KIND_WORD,
	SHRINK_KIND_TEXT
};

/* One row of the table in tunables.h. */
struct shrink_tunable {
	const char *name, *unit, *words, *help;
	enum shrink_tunable_kind kind;
	uint64_t def, min, max;
	size_t size;   /* of a text, with its NUL */
	size_t offset; /* in struct shrink_tunables */
};

extern pthread_mutex_t shrink_conf_lock;

/* A value's text to its number; the value of a word is its index. -EINVAL:
 * unreadable; -ERANGE. Pure. */
int shrink_conf_read(const struct shrink_tunable *t, const char *text, uint64_t *ret_value);
/* The reverse: what shrink_conf_read() takes. Returns the full length. */
int shrink_conf_write(const struct shrink_tunable *t, uint64_t value, char *buf, size_t size);
/* "linux-5.13 or linux-5.0", "0 to 50 percent": what the value may be. */
void shrink_conf_range(const struct shrink_tunable *t, char *buf, size_t size);

/* All below: shrink_conf_lock is held. */

/* The row that a key belongs to, for a cache rule that of its last part; NULL. */
const struct shrink_tunable *shrink_conf_find(const char *key);
/* The @index'th of all keys a misspelling may have meant, NULL past the end. */
const char *shrink_conf_key_name(unsigned int index);
int shrink_conf_assign(const char *key, const char *value, enum shrink_conf_origin origin);
int shrink_conf_print(const char *key, char *buf, size_t size);

/* conf-rules.c: keys that begin with "cache." */
int shrink_conf_is_rule(const char *key);
const struct shrink_tunable *shrink_conf_rule_find(const char *key);
const char *shrink_conf_rule_key_name(unsigned int index);
int shrink_conf_rule_assign(const char *key, const char *value, enum shrink_conf_origin origin);
int shrink_conf_rule_print(const char *key, char *buf, size_t size);
/* How often rules have been assigned; a change calls for shrink_conf_rules_tell(). */
unsigned int shrink_conf_rules_generation(void);
/* Not under the lock: calls who asked to know. */
void shrink_conf_rules_tell(void);
void shrink_conf_rules_forget(void);

/* conf-report.c */
#define SHRINK_CONF_KEPT 4096 /* bytes of complaints kept for shrink_conf_errors() */

struct shrink_conf_report {
	char text[SHRINK_CONF_KEPT]; /* lines, each ended by '\n' */
	size_t used;
	unsigned int errors, left_out; /* left_out: counted, but no room for the line */
};

/* Adds a line, to the report and to what is kept. Unprintable bytes become '?',
 * so that a value cannot forge another line. */
void shrink_conf_complain(struct shrink_conf_report *report, const char *fmt, ...)
	SHRINK_PRINTF(2, 3);
/* The line for an error that shrink_conf_assign() returned. */
void shrink_conf_complain_value(struct shrink_conf_report *report, const char *who,
				const char *key, const char *value, int err);
/* Not under the lock: logs the lines. */
void shrink_conf_say(const struct shrink_conf_report *report);
void shrink_conf_report_forget(void);

/* conf-parse.c: one text into values and complaints. */
void shrink_conf_parse_text(const char *text, enum shrink_conf_origin origin,
			    struct shrink_conf_report *report);

#endif /* SHRINK_BASE_CONF_PRIV_H */
