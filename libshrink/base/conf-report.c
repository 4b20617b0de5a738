// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf-priv.h>
#include <libshrink/base/log.h>

#define LINE_SIZE 400
#define WORD_MAX 32
#define SLIPS_MAX 2
#define SHOWN "%.80s" /* of a key or value: enough to know it again */

/* All complaints since the process began, as far as they fit; under
 * shrink_conf_lock. */
static struct shrink_conf_report kept;

static void add_line(struct shrink_conf_report *report, const char *line, size_t len)
{
	report->errors++;
	if (report->used + len + 2 > sizeof(report->text)) {
		report->left_out++;
		return;
	}
	memcpy(report->text + report->used, line, len);
	report->used += len;
	report->text[report->used++] = '\n';
	report->text[report->used] = '\0';
}

void shrink_conf_complain(struct shrink_conf_report *report, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list args;
	size_t len;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	len = strlen(line);
	for (size_t i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] == 127)
			line[i] = '?';
	add_line(report, line, len);
	add_line(&kept, line, len);
}

void shrink_conf_report_forget(void)
{
	kept = (struct shrink_conf_report){.used = 0};
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters inserted, left out, replaced or swapped with their neighbour to make one
 * word of the other (optimal string alignment); a word longer than WORD_MAX is far
 * from everything. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX || la > lb + SLIPS_MAX || lb > la + SLIPS_MAX)
		return WORD_MAX;
	for (unsigned int i = 0; i <= la; i++)
		d[i][0] = i;
	for (unsigned int j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++)
		for (size_t j = 1; j <= lb; j++) {
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[la][lb];
}

/* The known key nearest to @word, if it is near enough to be meant: at most
 * SLIPS_MAX slips, and less than half of the word. */
static const char *nearest(const char *word, const char *(*name_of)(unsigned int))
{
	unsigned int best = SLIPS_MAX + 1, d;
	const char *name, *found = NULL;

	for (unsigned int i = 0; (name = name_of(i)); i++) {
		d = distance(word, name);
		if (d && d < best && 2 * d < strlen(word)) {
			best = d;
			found = name;
		}
	}
	return found;
}

static void complain_unknown(struct shrink_conf_report *report, const char *who, const char *key,
			     const char *value)
{
	int rule = shrink_conf_is_rule(key);
	const char *dot = strrchr(key, '.'), *meant;

	meant = nearest(rule ? dot + 1 : key,
			rule ? shrink_conf_rule_key_name : shrink_conf_key_name);
	if (meant)
		shrink_conf_complain(report,
				     "%s: unknown key \"" SHOWN "\" (value \"" SHOWN
				     "\") is ignored; did you mean \"%.*s%s\"?",
				     who, key, value, rule ? (int)(dot + 1 - key) : 0, key, meant);
	else
		shrink_conf_complain(report,
				     "%s: unknown key \"" SHOWN "\" (value \"" SHOWN
				     "\") is ignored",
				     who, key, value);
}

static const char *what_is_wrong(const struct shrink_tunable *t, int err)
{
	if (err == -ERANGE)
		return t->kind == SHRINK_KIND_TEXT ? "too long" : "out of range";
	return t->kind == SHRINK_KIND_NUM ? "not a number" : "no such word";
}

static void complain_bad(struct shrink_conf_report *report, const char *who, const char *key,
			 const char *value, int err)
{
	const struct shrink_tunable *t = shrink_conf_find(key);
	char range[80], now[80];

	shrink_conf_range(t, range, sizeof(range));
	if (shrink_conf_print(key, now, sizeof(now)) < 0)
		snprintf(now, sizeof(now), "no rule");
	shrink_conf_complain(report, "%s: " SHOWN ": \"" SHOWN "\" is %s, allowed: %s; %s stays",
			     who, key, value, what_is_wrong(t, err), range,
			     *now ? now : "the empty text");
}

void shrink_conf_complain_value(struct shrink_conf_report *report, const char *who,
				const char *key, const char *value, int err)
{
	switch (err) {
	case -ENOENT:
		complain_unknown(report, who, key, value);
		break;
	case -ENAMETOOLONG:
		shrink_conf_complain(report,
				     "%s: " SHOWN ": the pattern is too long, allowed: 63 bytes; "
				     "value \"" SHOWN "\" is ignored",
				     who, key, value);
		break;
	case -ENOSPC:
		shrink_conf_complain(report,
				     "%s: " SHOWN ": the table of cache rules is full, allowed: "
				     "64 rules; value \"" SHOWN "\" is ignored",
				     who, key, value);
		break;
	default:
		complain_bad(report, who, key, value, err);
	}
}

void shrink_conf_say(const struct shrink_conf_report *report)
{
	const char *end;

	for (const char *line = report->text; line < report->text + report->used; line = end + 1) {
		end = strchr(line, '\n');
		shrink_err("%.*s", (int)(end - line), line);
	}
	if (report->left_out)
		shrink_err("%u more configuration errors", report->left_out);
}

int shrink_conf_kept_errors(char *buf, size_t size)
{
	unsigned int errors;

	if (!buf && size)
		return -EINVAL;
	pthread_mutex_lock(&shrink_conf_lock);
	errors = kept.errors;
	if (kept.left_out)
		snprintf(buf, size, "%s%u more configuration errors\n", kept.text, kept.left_out);
	else
		snprintf(buf, size, "%s", kept.text);
	pthread_mutex_unlock(&shrink_conf_lock);
	return (int)shrink_min_u64(errors, INT32_MAX);
}
