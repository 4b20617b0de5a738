/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/tenant.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/kvcached/items.h"
#include "examples/kvcached/lists.h"
#include "examples/kvcached/room.h"
#include "examples/kvcached/store.h"

#define SHARDS_ALONE SHARDS_MAX /* the only tenant has all the threads */
#define SHARDS_EACH  32u
#define NAMES	     256u /* slots of the index: at most a quarter is used */

static const struct options *config;
static struct shrink_memcg *group;
static struct tenant *tenants[TENANTS_MAX];
static unsigned int nr_tenants;	    /* atomic: those below are whole */
static struct tenant *names[NAMES]; /* atomic pointers; open addressing, nobody leaves */
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

bool tenants_on(void)
{
	return config->tenants;
}

struct shrink_memcg *tenants_group(void)
{
	return group;
}

struct tenant *tenant_at(unsigned int index)
{
	return tenants[index];
}

unsigned int tenants_count(void)
{
	return __atomic_load_n(&nr_tenants, __ATOMIC_ACQUIRE);
}

static bool is_named(const struct tenant *t, struct span name)
{
	return strncmp(t->name, name.at, name.len) == 0 && !t->name[name.len];
}

struct tenant *tenant_find(struct span name)
{
	uint32_t slot = table_hash(name.at, name.len);
	struct tenant *t;

	if (name.len > TENANT_NAME_MAX)
		return NULL;
	do
		t = __atomic_load_n(&names[slot++ % NAMES], __ATOMIC_ACQUIRE);
	while (t && !is_named(t, name));
	return t;
}

uint64_t tenants_ceiling(void)
{
	return group ? config->ceiling : 0;
}

uint64_t tenants_share(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < tenants_count(); i++)
		n += shrink_memcg_usage(tenants[i]->memcg) != 0;
	return tenants_ceiling() / (n ? n : 1);
}

/* "acme:..." is acme's if there is such a tenant. */
struct tenant *tenant_of(struct span key)
{
	size_t longest = key.len <= TENANT_NAME_MAX ? key.len : TENANT_NAME_MAX + 1;
	const char *end;
	struct tenant *t = NULL;

	if (!config->tenants)
		return tenants[0];
	end = memchr(key.at, config->delimiter, longest);
	if (end)
		t = tenant_find((struct span){key.at, (size_t)(end - key.at)});
	return t ? t : tenants[0];
}

static void tenant_close(struct tenant *t)
{
	lists_close(t);
	table_fini(&t->table, room_put);
	store()->close(t);
	shrink_memcg_destroy(t->memcg);
	free(t);
}

static int tenant_set_up(struct tenant *t)
{
	int r;

	if (group) {
		t->memcg = shrink_memcg_create(group, "%s", t->name);
		if (!t->memcg)
			return -errno;
	}
	r = table_init(&t->table, config->tenants ? SHARDS_EACH : SHARDS_ALONE);
	if (r == 0)
		r = store()->open(t, group ? 0 : config->ceiling);
	return r ? r : lists_open(t);
}

/* Index first, count last: whoever finds it finds it whole. */
static void publish(struct tenant *t)
{
	uint32_t slot = table_hash(t->name, strlen(t->name));

	while (names[slot % NAMES])
		slot++;
	tenants[t->index] = t;
	__atomic_store_n(&nr_tenants, t->index + 1u, __ATOMIC_RELEASE);
	__atomic_store_n(&names[slot % NAMES], t, __ATOMIC_RELEASE);
}

static int add_locked(struct span name)
{
	struct tenant *t;
	int r;

	if (tenant_find(name))
		return -EEXIST;
	if (nr_tenants == TENANTS_MAX)
		return -ENOSPC;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	memcpy(t->name, name.at, name.len);
	t->index = (unsigned char)nr_tenants;
	r = tenant_set_up(t);
	if (r < 0)
		tenant_close(t);
	else
		publish(t);
	return r;
}

/* Letters that are no letters of a command line, or of the delimiter's. */
static bool is_good_name(struct span name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";

	if (!name.len || name.len > TENANT_NAME_MAX)
		return false;
	if (name.len == 3 && memcmp(name.at, "all", 3) == 0)
		return false; /* statistics' word for all together */
	for (size_t i = 0; i < name.len; i++) {
		if (!name.at[i] || !strchr(letters, name.at[i]) || name.at[i] == config->delimiter)
			return false;
	}
	return true;
}

int tenant_add(struct span name)
{
	int r;

	if (!config->tenants)
		return -EPERM;
	if (!is_good_name(name))
		return -EINVAL;
	pthread_mutex_lock(&adding);
	r = add_locked(name);
	pthread_mutex_unlock(&adding);
	if (r == 0)
		items_drop(tenants[0], tenant_find(name)->name, config->delimiter);
	return r;
}

static int complain(const char *text, const char *what)
{
	fprintf(stderr, "kvcached: --tenant %s: %s\n", text, what);
	return -EINVAL;
}

static int declare_limit(const char *text, struct tenant *t, struct span part)
{
	const char *equals = memchr(part.at, '=', part.len);
	struct span name = {part.at, equals ? (size_t)(equals - part.at) : part.len};
	enum shrink_memcg_limit which;
	uint64_t bytes;
	int r;

	if (!equals || !tenant_limit_named(name, &which))
		return complain(text, "a limit is min=, low=, high= or max= and a size");
	part = (struct span){equals + 1, part.len - name.len - 1};
	if (!tenant_parse_size(part, &bytes))
		return complain(text, "a size is a number, with k, m or g, or none");
	r = tenant_set_limit(t, which, bytes);
	return r < 0 ? complain(text, "min of all tenants exceeds -m") : 0;
}

/* NAME[,LIMIT=SIZE]... */
static int declare(const char *text)
{
	const char *end = strchrnul(text, ',');
	struct span name = {text, (size_t)(end - text)};
	int r = tenant_add(name);

	if (r == -EINVAL)
		return complain(text,
				"a name is 1 to 32 letters, digits, _ . or -, and not \"all\"");
	if (r == -EEXIST && !is_named(tenants[0], name))
		return complain(text, "declared twice");
	if (r < 0 && r != -EEXIST)
		return complain(text, r == -ENOSPC ? "too many tenants" : strerror(-r));
	while (*end) {
		const char *part = end + 1;

		end = strchrnul(part, ',');
		r = declare_limit(text, tenant_find(name),
				  (struct span){part, (size_t)(end - part)});
		if (r < 0)
			return r;
	}
	return 0;
}

/* A pool that is alone has a ceiling of its own; a heap's is a group's max. */
static int make_group(void)
{
	if (!config->tenants && (store()->knows_order || !config->ceiling))
		return 0;
	group = shrink_memcg_create(NULL, "kvcached");
	if (!group)
		return -errno;
	if (!config->ceiling)
		return 0;
	return shrink_memcg_set_limit(group, SHRINK_MEMCG_LIMIT_MAX, config->ceiling);
}

int tenants_init(const struct options *options)
{
	int r;

	config = options;
	r = make_group();
	if (r == 0)
		r = add_locked((struct span){"default", 7});
	for (unsigned int i = 0; i < options->nr_declared && r == 0; i++)
		r = declare(options->declared[i]);
	return r;
}

void tenants_fini(void)
{
	unsigned int n = nr_tenants;

	nr_tenants = 0;
	memset(names, 0, sizeof(names));
	while (n)
		tenant_close(tenants[--n]);
	shrink_memcg_destroy(group);
	group = NULL;
}
