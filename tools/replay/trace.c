// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <shrink/workingset.h>
#include "tools/replay/trace.h"

#define BAD_LINES_NAMED 10
#define TIME_MAX 1e12 /* seconds */

static void *grown(void *old, size_t *room, size_t each)
{
	size_t more = *room ? *room * 2 : 1024;
	void *p = realloc(old, more * each);

	if (p)
		*room = more;
	return p;
}

static int grow_index(struct dense *d)
{
	size_t size = d->index_size ? d->index_size * 2 : 4096;
	uint32_t *index = calloc(size, sizeof(*index));

	if (!index)
		return -ENOMEM;
	for (uint32_t k = 0; k < d->nr; k++) {
		size_t at = d->hashes[k] & (size - 1);

		while (index[at])
			at = (at + 1) & (size - 1);
		index[at] = k + 1;
	}
	free(d->index);
	d->index = index;
	d->index_size = size;
	return 0;
}

/* The text's number. Two texts of one 64-bit hash are taken for one. */
static int number(struct dense *d, uint64_t hash, uint32_t *ret)
{
	size_t at;

	if (d->nr * 2 >= d->index_size && grow_index(d) < 0)
		return -ENOMEM;
	at = hash & (d->index_size - 1);
	while (d->index[at] && d->hashes[d->index[at] - 1] != hash)
		at = (at + 1) & (d->index_size - 1);
	if (!d->index[at]) {
		if (d->nr == d->room) {
			uint64_t *more = grown(d->hashes, &d->room, sizeof(*more));

			if (!more)
				return -ENOMEM;
			d->hashes = more;
		}
		d->hashes[d->nr++] = hash;
		d->index[at] = (uint32_t)d->nr;
	}
	*ret = d->index[at] - 1;
	return 0;
}

static void dense_free(struct dense *d)
{
	free(d->hashes);
	free(d->index);
}

/* What a line says. */
struct line {
	struct request r;
	uint64_t hash, tenant; /* 0 = none */
};

/* Cuts the field that begins at *@at; NULL: there is none. */
static char *field(char **at)
{
	char *begin = *at, *comma;

	if (!begin)
		return NULL;
	comma = strchr(begin, ',');
	*at = comma ? comma + 1 : NULL;
	if (comma)
		*comma = '\0';
	return begin;
}

static const char *parse(char *line, struct line *ret, uint64_t last)
{
	char *time = field(&line), *key = field(&line), *size = field(&line);
	char *tenant = field(&line), *end;
	unsigned long long bytes;
	double seconds;

	if (!size)
		return "expected time,key,size[,tenant]";
	if (line)
		return "more than four fields";
	seconds = strtod(time, &end);
	if (end == time || *end || !isfinite(seconds) || seconds < 0 || seconds > TIME_MAX)
		return "time is no number of seconds";
	ret->r.usec = (uint64_t)(seconds * 1e6);
	if (ret->r.usec < last)
		return "time goes back";
	if (!*key)
		return "the key is empty";
	errno = 0;
	bytes = strtoull(size, &end, 10);
	if (*size < '0' || *size > '9' || *end || errno || !bytes || bytes > UINT32_MAX)
		return "size is no number of bytes, 1 to 4294967295";
	ret->r.size = (uint32_t)bytes;
	ret->hash = shrink_workingset_hash(key, strlen(key));
	if (tenant && *tenant) {
		ret->tenant = shrink_workingset_hash(tenant, strlen(tenant)) | 1;
		ret->hash ^= ret->tenant * 3;
	}
	return NULL;
}

static int new_key(struct trace *t, const struct line *l)
{
	uint32_t tenant = 0;

	if (t->keys.nr > t->key_room) {
		struct trace_key *more = grown(t->key, &t->key_room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->key = more;
	}
	if (l->tenant && number(&t->tenants, l->tenant, &tenant) < 0)
		return -ENOMEM;
	t->key[l->r.key] = (struct trace_key){.tenant = l->tenant ? tenant + 1 : 0};
	return 0;
}

static int add(struct trace *t, struct line *l)
{
	size_t keys = t->keys.nr;

	if (number(&t->keys, l->hash, &l->r.key) < 0)
		return -ENOMEM;
	if (t->keys.nr > keys && new_key(t, l) < 0)
		return -ENOMEM;
	if (t->nr == t->room) {
		struct request *more = grown(t->requests, &t->room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->requests = more;
	}
	t->requests[t->nr++] = l->r;
	t->bytes += l->r.size;
	if (l->r.size > t->key[l->r.key].size)
		t->key[l->r.key].size = l->r.size;
	return 0;
}

int trace_line(struct trace *t, char *line, const char **ret_why)
{
	uint64_t last = t->nr ? t->requests[t->nr - 1].usec : 0;
	struct line l = {0};

	line[strcspn(line, "\r\n")] = '\0';
	*ret_why = parse(line, &l, last);
	if (!*ret_why)
		return add(t, &l);
	t->bad_lines++;
	return 0;
}

/* What gzip, xz, zstd and bzip2 begin with. */
static bool compressed(const char *line, size_t length)
{
	static const char *const magic[] = {"\x1f\x8b", "\xfd" "7zXZ", "\x28\xb5\x2f\xfd", "BZh"};

	for (size_t i = 0; i < sizeof(magic) / sizeof(magic[0]); i++)
		if (length >= strlen(magic[i]) && !memcmp(line, magic[i], strlen(magic[i])))
			return true;
	return false;
}

int trace_read(struct trace *t, FILE *file, const char *name)
{
	unsigned long long number = 0;
	const char *why = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int r = 0;

	memset(t, 0, sizeof(*t));
	errno = 0;
	while (r == 0 && (length = getline(&line, &room, file)) >= 0) {
		if (!number && compressed(line, (size_t)length))
			r = -EBADMSG;
		else
			r = trace_line(t, line, &why);
		if (++number && why && t->bad_lines <= BAD_LINES_NAMED)
			fprintf(stderr, "shrink-replay: %s:%llu: %s; skipped\n", name, number, why);
	}
	if (r == 0 && ferror(file))
		r = errno ? -errno : -EIO;
	free(line);
	for (size_t k = 0; k < t->keys.nr; k++)
		t->footprint += t->key[k].size;
	return r;
}

void trace_free(struct trace *t)
{
	free(t->requests);
	dense_free(&t->keys);
	dense_free(&t->tenants);
	free(t->key);
	memset(t, 0, sizeof(*t));
}
