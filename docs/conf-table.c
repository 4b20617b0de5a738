// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Build-time filter: libshrink.conf.5.in to libshrink.conf.5. Puts the tables of
 * keys, made from the same table as the parser, where the page asks for them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/tunables.h>

#define STR(x) #x

static const char *when_text(const char *when)
{
	return strcmp(when, "NOW") ? "Takes effect with the next\n.Xr shrink_start 3 ." : NULL;
}

/* One word of a help text, as one of a page: a call is marked as such. */
static void put_help_word(const char *word, size_t len, int first)
{
	size_t call = len > 2 && !memcmp(word + len - 2, "()", 2) ? len - 2 : 0;
	int capital = first && !call && word[len - 1] != ':' && *word >= 'a' && *word <= 'z';
	const char *stop = word[len] ? "" : ".";

	if (call)
		printf(".Fn %.*s%s%s\n", (int)call, word, *stop ? " " : "", stop);
	else
		printf("%c%.*s%s\n", capital ? *word - 'a' + 'A' : *word, (int)len - 1, word + 1,
		       stop);
}

/* A word a line: the formatter fills. Help begins small, as part of a line of the
 * parser's; a sentence does not. */
static void put_help(const char *help)
{
	const char *word = help;

	for (size_t len; *word; word += len + (word[len] == ' ')) {
		len = strcspn(word, " ");
		put_help_word(word, len, word == help);
	}
}

static void put_when(const char *when)
{
	if (when_text(when))
		printf("%s\n", when_text(when));
}

static void put_range(const char *name, const char *unit, uint64_t min, uint64_t max,
		      const char *help)
{
	printf(".It Cm %s Ns Cm \\&: Ns Ar %s\n", name, *unit ? unit : "number");
	put_help(help);
	printf("From %" PRIu64 " to %" PRIu64, min, max);
}

/* A cache without a rule has what the program says: there is no default. */
static void put_cache_num(const char *name, const char *unit, uint64_t min, uint64_t max,
			  const char *help)
{
	put_range(name, unit, min, max, help);
	printf(".\n");
}

static void put_num(const char *name, const char *unit, uint64_t def, uint64_t min, uint64_t max,
		    const char *when, const char *help)
{
	put_range(name, unit, min, max, help);
	printf("; default %" PRIu64 ".\n", def);
	put_when(when);
}

/* The @index'th of words parted by bars. */
static const char *word(const char *words, unsigned int index, int *ret_len)
{
	for (; index; index--)
		words += strcspn(words, "|") + 1;
	*ret_len = (int)strcspn(words, "|");
	return words;
}

static void put_words(const char *name, const char *words, const char *help)
{
	int len;

	printf(".It Cm %s Ns Cm \\&:", name);
	for (const char *p = words; *p; p += len + (p[len] == '|')) {
		len = (int)strcspn(p, "|");
		printf(" Ns %sCm %.*s", p > words ? "| Ns " : "", len, p);
	}
	putchar('\n');
	put_help(help);
}

static void put_word(const char *name, const char *words, unsigned int def, const char *when,
		     const char *help)
{
	const char *p;
	int len;

	put_words(name, words, help);
	p = word(words, def, &len);
	printf("Default\n.Cm %.*s .\n", len, p);
	put_when(when);
}

static void put_text(const char *name, size_t size, const char *when, const char *help)
{
	printf(".It Cm %s Ns Cm \\&: Ns Ar text\n", name);
	put_help(help);
	printf("At most %zu bytes; default empty.\n", size - 1);
	put_when(when);
}

#define PUT_NUM(name, unit, def, min, max, when, help)                                             \
	put_num(#name, unit, def, min, max, STR(when), help);
#define PUT_WORD(name, words, def, when, help) put_word(#name, words, def, STR(when), help);
#define PUT_CACHE_NUM(name, unit, def, min, max, when, help)                                       \
	put_cache_num(#name, unit, min, max, help);
#define PUT_CACHE_WORD(name, words, def, when, help) put_words(#name, words, help);
#define PUT_TEXT(name, size, when, help) put_text(#name, size, STR(when), help);

int main(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin))
		if (!strcmp(line, "@TUNABLES@\n")) {
			SHRINK_TUNABLES(PUT_NUM, PUT_WORD, PUT_TEXT)
		} else if (!strcmp(line, "@CACHE_KEYS@\n")) {
			SHRINK_CACHE_KEYS(PUT_CACHE_NUM, PUT_CACHE_WORD)
		} else {
			fputs(line, stdout);
		}
	return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
