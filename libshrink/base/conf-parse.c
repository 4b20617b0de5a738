// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The grammar of LIBSHRINK_CONF, as libshrink.conf(5) gives it:
 *
 *	text  = [ item ] { "," [ item ] }
 *	item  = "off" | key ":" value
 *	key   = token without ":"
 *	token = bare | '"' { char | "\" char } '"' | "'" { char } "'"
 *
 * Blanks around tokens do not count. An item that cannot be read costs a
 * complaint and is skipped up to the next comma; nothing in it takes effect.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/conf-priv.h>

#define BLANKS " \t\r\n"
#define TOKEN_SIZE 320 /* over any valid key or value */

struct token {
	char text[TOKEN_SIZE];
	size_t len; /* kept; a longer token is cut and refused */
	int cut;
};

static const char *const who_names[] = {
	[SHRINK_CONF_DEFAULT] = "default",
	[SHRINK_CONF_PROGRAM] = "shrink_conf",
	[SHRINK_CONF_API] = "shrink_conf_set",
	[SHRINK_CONF_ENV] = "LIBSHRINK_CONF",
};

static void put(struct token *token, char c)
{
	if (token->len + 1 < sizeof(token->text))
		token->text[token->len++] = c;
	else
		token->cut = 1;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, BLANKS);
}

/* From the opening quote to behind the closing one; NULL: there is none. */
static const char *read_quoted(const char *p, struct token *token)
{
	char quote = *p++;

	for (; *p && *p != quote; p++) {
		if (*p == '\\' && quote == '"' && p[1])
			p++;
		put(token, *p);
	}
	return *p ? p + 1 : NULL;
}

static const char *read_bare(const char *p, const char *stop, struct token *token)
{
	size_t len = strcspn(p, stop);

	for (size_t i = 0; i < len; i++)
		put(token, p[i]);
	while (!token->cut && token->len && strchr(BLANKS, token->text[token->len - 1]))
		token->len--;
	return p + len;
}

/* Reads a token that one of @stop, or the end, must follow. Returns that place, or
 * NULL: an open quote, something behind a closed one, or a quote amid a bare word. */
static const char *read_token(const char *p, const char *stop, struct token *token)
{
	token->len = 0;
	token->cut = 0;
	p = skip_blanks(p);
	if (*p == '"' || *p == '\'') {
		p = read_quoted(p, token);
		p = p ? skip_blanks(p) : NULL;
	} else {
		p = read_bare(p, stop, token);
	}
	token->text[token->len] = '\0';
	return p && (!*p || (strchr(stop, *p) && *p != '"' && *p != '\'')) ? p : NULL;
}

/* Behind the item that could not be read: at its comma, which a quote may hide. */
static const char *skip_item(const char *p)
{
	struct token ignored = {.len = 0};
	const char *behind;

	while (*p && *p != ',') {
		behind = *p == '"' || *p == '\'' ? read_quoted(p, &ignored) : NULL;
		p = behind ? behind : p + 1;
	}
	return p;
}

static void take(const char *key, const char *value, enum shrink_conf_origin origin,
		 struct shrink_conf_report *report)
{
	int r = shrink_conf_assign(key, value, origin);

	/* A stronger origin has spoken: not an error of this text */
	if (r < 0 && r != -EPERM)
		shrink_conf_complain_value(report, who_names[origin], key, value, r);
}

/* One item; returns the place of the comma or end behind it, NULL where it cannot
 * be read. Either way it has taken effect or been complained of. */
static const char *parse_item(const char *item, enum shrink_conf_origin origin,
			      struct shrink_conf_report *report)
{
	struct token key, value = {.len = 0};
	const char *who = who_names[origin], *p = read_token(item, ":,\"'", &key);
	int has_value = p && *p == ':';

	if (has_value)
		p = read_token(p + 1, ",\"'", &value);
	if (!p)
		shrink_conf_complain(report,
				     "%s: \"%.80s\" cannot be read, allowed: key:value, each in a "
				     "pair of quotes or in none; it is ignored",
				     who, item);
	else if (key.cut || value.cut)
		shrink_conf_complain(report,
				     "%s: \"%.80s\" is too long, allowed: %d bytes for a key or a "
				     "value; it is ignored",
				     who, item, TOKEN_SIZE - 1);
	else if (has_value)
		take(key.text, value.text, origin, report);
	else if (!strcmp(key.text, "off"))
		take("off", "true", origin, report);
	else
		shrink_conf_complain(report,
				     "%s: \"%.80s\" has no value, allowed: key:value, or off; it "
				     "is ignored",
				     who, key.text);
	return p;
}

void shrink_conf_parse_text(const char *text, enum shrink_conf_origin origin,
			    struct shrink_conf_report *report)
{
	const char *p = text, *behind;

	for (;;) {
		p = skip_blanks(p);
		if (*p && *p != ',') {
			behind = parse_item(p, origin, report);
			p = behind ? behind : skip_item(p);
		}
		if (!*p)
			return;
		p++;
	}
}

/* What is said and called only once the lock is gone. */
static void finish(const struct shrink_conf_report *report, int rules_changed)
{
	shrink_conf_say(report);
	if (rules_changed)
		shrink_conf_rules_tell();
}

int shrink_conf_parse(const char *text, enum shrink_conf_origin origin)
{
	struct shrink_conf_report report = {.used = 0};
	unsigned int generation;
	int rules_changed;

	pthread_mutex_lock(&shrink_conf_lock);
	generation = shrink_conf_rules_generation();
	shrink_conf_parse_text(text ? text : "", origin, &report);
	rules_changed = generation != shrink_conf_rules_generation();
	pthread_mutex_unlock(&shrink_conf_lock);
	finish(&report, rules_changed);
	return (int)report.errors;
}

static atomic_int loaded;

int shrink_conf_loaded(void)
{
	return atomic_load_explicit(&loaded, memory_order_acquire);
}

int shrink_conf_load_once(const char *program, const char *env)
{
	struct shrink_conf_report report = {.used = 0};
	unsigned int generation;
	int rules_changed;

	pthread_mutex_lock(&shrink_conf_lock);
	generation = shrink_conf_rules_generation();
	if (!atomic_load_explicit(&loaded, memory_order_relaxed)) {
		shrink_conf_parse_text(program ? program : "", SHRINK_CONF_PROGRAM, &report);
		shrink_conf_parse_text(env ? env : "", SHRINK_CONF_ENV, &report);
		atomic_store_explicit(&loaded, 1, memory_order_release);
	}
	rules_changed = generation != shrink_conf_rules_generation();
	pthread_mutex_unlock(&shrink_conf_lock);
	finish(&report, rules_changed);
	return shrink_conf_kept_errors(NULL, 0);
}
