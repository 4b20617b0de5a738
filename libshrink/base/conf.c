// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf-priv.h>
#include <libshrink/base/parse.h>

#define INIT_NUM(name, unit, def, min, max, when, help) .name = def,
#define INIT_WORD(name, words, def, when, help) .name = def,
#define INIT_TEXT(name, size, when, help) .name = "",
struct shrink_tunables shrink_tunables = {SHRINK_TUNABLES(INIT_NUM, INIT_WORD, INIT_TEXT)};

#define AT(name_) .offset = offsetof(struct shrink_tunables, name_)
#define ROW_NUM(name_, unit_, def_, min_, max_, when_, help_)                                      \
	{.name = #name_, .unit = unit_, .help = help_, .kind = SHRINK_KIND_NUM,                    \
	 .def = def_, .min = min_, .max = max_, AT(name_)},
#define ROW_WORD(name_, words_, def_, when_, help_)                                                \
	{.name = #name_, .unit = "", .words = words_, .help = help_, .kind = SHRINK_KIND_WORD,     \
	 .def = def_, AT(name_)},
#define ROW_TEXT(name_, size_, when_, help_)                                                       \
	{.name = #name_, .unit = "", .help = help_, .kind = SHRINK_KIND_TEXT, .size = size_,       \
	 AT(name_)},
static const struct shrink_tunable table[] = {SHRINK_TUNABLES(ROW_NUM, ROW_WORD, ROW_TEXT)};
#define TABLE_SIZE SHRINK_ARRAY_SIZE(table)

pthread_mutex_t shrink_conf_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char origins[TABLE_SIZE]; /* enum shrink_conf_origin */

/* Numbers and words are stored by relaxed atomics, because SHRINK_TUN() reads them
 * without the lock; a text is only ever read under it. */
static _Atomic uint64_t *number_of(const struct shrink_tunable *t)
{
	return (_Atomic uint64_t *)(void *)((char *)&shrink_tunables + t->offset);
}

static char *text_of(const struct shrink_tunable *t)
{
	return (char *)&shrink_tunables + t->offset;
}

/* -1 past the end, else the length of the @index'th word and where it begins. */
static int nth_word(const char *words, unsigned int index, const char **ret_word)
{
	for (; index; index--) {
		words = strchr(words, '|');
		if (!words)
			return -1;
		words++;
	}
	*ret_word = words;
	return (int)strcspn(words, "|");
}

static int read_word(const char *words, const char *text, uint64_t *ret_value)
{
	const char *word;
	int len;

	for (unsigned int i = 0; (len = nth_word(words, i, &word)) >= 0; i++)
		if ((size_t)len == strlen(text) && !memcmp(word, text, (size_t)len)) {
			*ret_value = i;
			return 0;
		}
	return -EINVAL;
}

/* A switch takes the words of either kind and the digits: nobody should have to
 * remember whether it was "on" or "true". */
static int read_switch(const char *text, uint64_t *ret_value)
{
	if (!read_word("false|true", text, ret_value) || !read_word("off|on", text, ret_value))
		return 0;
	return read_word("0|1", text, ret_value);
}

static int is_switch(const struct shrink_tunable *t)
{
	return t->kind == SHRINK_KIND_WORD &&
	       (!strcmp(t->words, "false|true") || !strcmp(t->words, "off|on"));
}

static int read_number(const struct shrink_tunable *t, const char *text, uint64_t *ret_value)
{
	int negative = *text == '-', r;
	uint64_t v;

	r = shrink_parse_number(text + negative, !strcmp(t->unit, "bytes"), &v);
	if (r < 0)
		return r;
	if ((negative && v) || v < t->min || v > t->max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int shrink_conf_read(const struct shrink_tunable *t, const char *text, uint64_t *ret_value)
{
	switch (t->kind) {
	case SHRINK_KIND_NUM:
		return read_number(t, text, ret_value);
	case SHRINK_KIND_WORD:
		return is_switch(t) ? read_switch(text, ret_value)
				    : read_word(t->words, text, ret_value);
	case SHRINK_KIND_TEXT:
		*ret_value = strlen(text);
		return *ret_value < t->size ? 0 : -ERANGE;
	}
	return -EINVAL;
}

int shrink_conf_write(const struct shrink_tunable *t, uint64_t value, char *buf, size_t size)
{
	const char *word = "";
	int len;

	if (t->kind == SHRINK_KIND_WORD) {
		len = nth_word(t->words, (unsigned int)value, &word);
		return snprintf(buf, size, "%.*s", len < 0 ? 0 : len, word);
	}
	return snprintf(buf, size, "%" PRIu64, value);
}

void shrink_conf_range(const struct shrink_tunable *t, char *buf, size_t size)
{
	const char *unit = *t->unit ? " " : "";

	if (t->kind == SHRINK_KIND_NUM)
		snprintf(buf, size, "%" PRIu64 " to %" PRIu64 "%s%s", t->min, t->max, unit,
			 t->unit);
	else if (t->kind == SHRINK_KIND_WORD)
		snprintf(buf, size, "%s", t->words);
	else
		snprintf(buf, size, "a text of at most %zu bytes", t->size - 1);
}

const struct shrink_tunable *shrink_conf_find(const char *key)
{
	if (shrink_conf_is_rule(key))
		return shrink_conf_rule_find(key);
	for (size_t i = 0; i < TABLE_SIZE; i++)
		if (!strcmp(key, table[i].name))
			return &table[i];
	return NULL;
}

const char *shrink_conf_key_name(unsigned int index)
{
	return index < TABLE_SIZE ? table[index].name : NULL;
}

int shrink_conf_assign(const char *key, const char *value, enum shrink_conf_origin origin)
{
	const struct shrink_tunable *t;
	uint64_t v;
	int r;

	if (shrink_conf_is_rule(key))
		return shrink_conf_rule_assign(key, value, origin);
	t = shrink_conf_find(key);
	if (!t)
		return -ENOENT;
	r = shrink_conf_read(t, value, &v);
	if (r < 0)
		return r;
	if (origins[t - table] > origin)
		return -EPERM;
	origins[t - table] = (unsigned char)origin;
	if (t->kind == SHRINK_KIND_TEXT)
		memcpy(text_of(t), value, v + 1);
	else
		atomic_store_explicit(number_of(t), v, memory_order_relaxed);
	return 0;
}

int shrink_conf_print(const char *key, char *buf, size_t size)
{
	const struct shrink_tunable *t;

	if (shrink_conf_is_rule(key))
		return shrink_conf_rule_print(key, buf, size);
	t = shrink_conf_find(key);
	if (!t)
		return -ENOENT;
	if (t->kind == SHRINK_KIND_TEXT)
		return snprintf(buf, size, "%s", text_of(t));
	return shrink_conf_write(t, atomic_load_explicit(number_of(t), memory_order_relaxed), buf,
				 size);
}

int shrink_conf_set_one(const char *key, const char *value, enum shrink_conf_origin origin)
{
	unsigned int generation;
	int r, rules_changed;

	if (!key || !value)
		return -EINVAL;
	pthread_mutex_lock(&shrink_conf_lock);
	generation = shrink_conf_rules_generation();
	r = shrink_conf_assign(key, value, origin);
	rules_changed = generation != shrink_conf_rules_generation();
	pthread_mutex_unlock(&shrink_conf_lock);
	if (rules_changed)
		shrink_conf_rules_tell();
	return r;
}

int shrink_conf_text(const char *key, char *buf, size_t size)
{
	int r;

	if (!key || (!buf && size))
		return -EINVAL;
	pthread_mutex_lock(&shrink_conf_lock);
	r = shrink_conf_print(key, buf, size);
	pthread_mutex_unlock(&shrink_conf_lock);
	return r;
}

/* Numbers as text, made once: the strings of an entry are the caller's for ever. */
static struct {
	char def[24], min[24], max[24];
	int made;
} texts[TABLE_SIZE];

int shrink_conf_describe(unsigned int index, struct shrink_conf_entry *ret_entry)
{
	const struct shrink_tunable *t = &table[index < TABLE_SIZE ? index : 0];

	if (!ret_entry)
		return -EINVAL;
	if (index >= TABLE_SIZE)
		return -ENOENT;
	pthread_mutex_lock(&shrink_conf_lock);
	if (!texts[index].made && t->kind != SHRINK_KIND_TEXT)
		shrink_conf_write(t, t->def, texts[index].def, sizeof(texts[index].def));
	if (!texts[index].made && t->kind == SHRINK_KIND_NUM) {
		shrink_conf_write(t, t->min, texts[index].min, sizeof(texts[index].min));
		shrink_conf_write(t, t->max, texts[index].max, sizeof(texts[index].max));
	}
	texts[index].made = 1;
	pthread_mutex_unlock(&shrink_conf_lock);
	*ret_entry = (struct shrink_conf_entry){
		.name = t->name,
		.unit = t->unit,
		.def = texts[index].def,
		.min = texts[index].min,
		.max = t->words ? t->words : texts[index].max,
		.help = t->help,
	};
	return 0;
}

static void forget_one(const struct shrink_tunable *t)
{
	if (t->kind == SHRINK_KIND_TEXT)
		text_of(t)[0] = '\0';
	else
		atomic_store_explicit(number_of(t), t->def, memory_order_relaxed);
	origins[t - table] = SHRINK_CONF_DEFAULT;
}

void shrink_conf_forget(void)
{
	pthread_mutex_lock(&shrink_conf_lock);
	for (size_t i = 0; i < TABLE_SIZE; i++)
		forget_one(&table[i]);
	shrink_conf_rules_forget();
	shrink_conf_report_forget();
	pthread_mutex_unlock(&shrink_conf_lock);
}

void shrink_conf_fork_prepare(void)
{
	pthread_mutex_lock(&shrink_conf_lock);
}

void shrink_conf_fork_parent(void)
{
	pthread_mutex_unlock(&shrink_conf_lock);
}

void shrink_conf_fork_child(void)
{
	pthread_mutex_unlock(&shrink_conf_lock);
}
