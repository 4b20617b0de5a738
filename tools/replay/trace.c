// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <math.h>
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

static int grow_index(struct trace *t)
{
	size_t size = t->index_size ? t->index_size * 2 : 4096;
	uint32_t *index = calloc(size, sizeof(*index));

	if (!index)
		return -ENOMEM;
	for (uint32_t k = 0; k < t->keys; k++) {
		size_t at = t->hashes[k] & (size - 1);

		while (index[at])
			at = (at + 1) & (size - 1);
		index[at] = k + 1;
	}
	free(t->index);
	t->index = index;
	t->index_size = size;
	return 0;
}

static int new_key(struct trace *t, uint64_t hash)
{
	if (t->keys == t->keys_room) {
		size_t room = t->keys_room;
		uint64_t *hashes = grown(t->hashes, &room, sizeof(*hashes));
		uint32_t *sizes;

		if (!hashes)
			return -ENOMEM;
		t->hashes = hashes;
		sizes = grown(t->sizes, &t->keys_room, sizeof(*sizes));
		if (!sizes)
			return -ENOMEM;
		t->sizes = sizes;
	}
	t->hashes[t->keys] = hash;
	t->sizes[t->keys++] = 0;
	return 0;
}

/* The key's number. Two texts of one 64-bit hash are taken for one. */
static int dense(struct trace *t, uint64_t hash, uint32_t *ret_key)
{
	size_t at;

	if (t->keys * 2 >= t->index_size && grow_index(t) < 0)
		return -ENOMEM;
	at = hash & (t->index_size - 1);
	while (t->index[at] && t->hashes[t->index[at] - 1] != hash)
		at = (at + 1) & (t->index_size - 1);
	if (!t->index[at]) {
		if (new_key(t, hash) < 0)
			return -ENOMEM;
		t->index[at] = (uint32_t)t->keys;
	}
	*ret_key = t->index[at] - 1;
	return 0;
}

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

static const char *parse(char *line, struct request *ret, uint64_t *ret_hash, uint64_t last)
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
	ret->usec = (uint64_t)(seconds * 1e6);
	if (ret->usec < last)
		return "time goes back";
	if (!*key)
		return "the key is empty";
	errno = 0;
	bytes = strtoull(size, &end, 10);
	if (end == size || *end || *size == '-' || errno || !bytes || bytes > UINT32_MAX)
		return "size is no number of bytes, 1 to 4294967295";
	ret->size = (uint32_t)bytes;
	*ret_hash = shrink_workingset_hash(key, strlen(key));
	if (tenant && *tenant)
		*ret_hash ^= shrink_workingset_hash(tenant, strlen(tenant)) * 3;
	return NULL;
}

static int add(struct trace *t, const struct request *r)
{
	if (t->nr == t->room) {
		struct request *more = grown(t->requests, &t->room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->requests = more;
	}
	t->requests[t->nr++] = *r;
	t->bytes += r->size;
	if (r->size > t->sizes[r->key])
		t->sizes[r->key] = r->size;
	return 0;
}

static void bad(struct trace *t, const char *name, unsigned long long line, const char *why)
{
	if (t->bad_lines++ < BAD_LINES_NAMED)
		fprintf(stderr, "shrink-replay: %s:%llu: %s; skipped\n", name, line, why);
}

static int take_line(struct trace *t, char *line, const char *name, unsigned long long number)
{
	uint64_t last = t->nr ? t->requests[t->nr - 1].usec : 0, hash;
	struct request r = {0};
	const char *why;

	line[strcspn(line, "\r\n")] = '\0';
	why = parse(line, &r, &hash, last);
	if (why) {
		bad(t, name, number, why);
		return 0;
	}
	return dense(t, hash, &r.key) < 0 || add(t, &r) < 0 ? -ENOMEM : 0;
}

int trace_read(struct trace *t, FILE *file, const char *name)
{
	unsigned long long number = 0;
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	memset(t, 0, sizeof(*t));
	while (r == 0 && getline(&line, &room, file) >= 0)
		r = take_line(t, line, name, ++number);
	if (r == 0 && ferror(file))
		r = -EIO;
	free(line);
	for (size_t k = 0; k < t->keys; k++)
		t->footprint += t->sizes[k];
	return r;
}

void trace_free(struct trace *t)
{
	free(t->requests);
	free(t->hashes);
	free(t->sizes);
	free(t->index);
	memset(t, 0, sizeof(*t));
}
