/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/items.h"

#include <stdio.h>
#include <string.h>

#include <shrink/fast.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/epoch.h"
#include "examples/kvcached/lists.h"
#include "examples/kvcached/negative.h"
#include "examples/kvcached/purge.h"
#include "examples/kvcached/room.h"

static uint64_t nr_linked, nr_expired;

uint64_t items_linked(void)
{
	return __atomic_load_n(&nr_linked, __ATOMIC_RELAXED);
}

uint64_t items_expired(void)
{
	return __atomic_load_n(&nr_expired, __ATOMIC_RELAXED);
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED);
}

/* A key, whose it is, and its hash. */
struct key {
	struct span text;
	struct tenant *tenant;
	uint32_t hash;
};

static struct key key_of(struct span text)
{
	return (struct key){text, tenant_of(text), table_hash(text.at, text.len)};
}

/* An item's. It is stored where it was made: a tenant may have been added since. */
static struct key key_of_item(const struct item *it)
{
	return (struct key){{item_key(it), it->nkey}, tenant_at(it->tenant), item_hash(it)};
}

/* libshrink: all that a hit costs, a relaxed load and at most a store, to whom it tells
 * something: the pool, the lists, the ring's hand. */
static void mark_used(struct tenant *t, struct item *it)
{
	if (t->fast)
		shrink_fast_pool_mark(t->fast, item_object(it));
	if (t->lists)
		shrink_fast_mark(&item_node(it)->mark);
	else if (it->ringed)
		shrink_fast_mark(&it->mark);
}

/* A shard, locked, and what is found there under a key. */
struct place {
	struct tenant *tenant;
	struct shard *shard;
	struct item *it; /* alive, or NULL */
};

/* Unlinks under the lock; the memory goes when the last reference does. */
static void drop(struct place *p, struct item *it)
{
	lists_del(p->tenant, it);
	shard_unlink(p->shard, it);
	room_put(it);
}

/* The same for an item that is unlinked already. */
static void forget(struct item *it)
{
	lists_del(tenant_at(it->tenant), it);
	room_put(it);
}

static void place_lock(struct place *p, const struct key *key)
{
	p->tenant = key->tenant;
	p->shard = table_shard(&key->tenant->table, key->hash);
	pthread_mutex_lock(&p->shard->lock);
	p->it = shard_find(p->shard, key->hash, key->text.at, key->text.len);
	if (p->it && !items_alive(p->it, clock_now())) {
		drop(p, p->it);
		p->it = NULL;
		count(&nr_expired);
	}
}

static void place_find(struct place *p, struct span text)
{
	struct key key = key_of(text);

	place_lock(p, &key);
}

static void place_unlock(struct place *p)
{
	pthread_mutex_unlock(&p->shard->lock);
}

/* Puts @it where p->it is or would be. */
static void place_store(struct place *p, struct item *it)
{
	if (p->it) {
		lists_replace(p->tenant, p->it, it);
		shard_unlink(p->shard, p->it);
		room_put(p->it);
	} else {
		lists_add(p->tenant, it);
	}
	it->cas = epoch_next();
	it->stored = clock_now();
	item_ref(it);
	shard_link(p->shard, it);
	negative_forget(item_hash(it), item_key(it), it->nkey);
	count(&p->shard->sets);
	count(&nr_linked);
}

void items_put(struct item *it)
{
	purge_release(it);
	room_put(it);
}

/* libshrink: the kernel has taken the value. A miss, then, and what is left goes. */
static void lose(struct item *it)
{
	struct key key = key_of_item(it);
	struct place p;

	place_lock(&p, &key);
	if (p.it == it)
		drop(&p, it);
	place_unlock(&p);
	room_put(it);
	__atomic_fetch_add(&key.tenant->purged, 1u, __ATOMIC_RELAXED);
}

/* With a reference, which is gone where the answer is NULL. */
static struct item *hold(struct item *it)
{
	if (!it || purge_hold(it))
		return it;
	lose(it);
	return NULL;
}

static enum items_result new_item(const struct key *key, uint32_t flags, int32_t exptime,
				  size_t nbytes, struct item **ret_item)
{
	struct item *it;

	if (nbytes > VALUE_MAX + 2)
		return ITEMS_TOO_LARGE;
	it = room_alloc(key->tenant, key->hash, key->text.len, nbytes);
	if (!it)
		return ITEMS_NO_MEMORY;
	it->flags = flags;
	it->expires = clock_expiry(exptime);
	memcpy(it->data, key->text.at, key->text.len);
	*ret_item = it;
	return ITEMS_OK;
}

enum items_result items_new(struct span text, uint32_t flags, int32_t exptime, size_t nbytes,
			    struct item **ret_item)
{
	struct key key = key_of(text);

	return new_item(&key, flags, exptime, nbytes, ret_item);
}

/* A reference to what is stored under the key, without marking it used. */
static struct item *peek(const struct key *key)
{
	struct place p;

	place_lock(&p, key);
	if (p.it)
		item_ref(p.it);
	place_unlock(&p);
	return hold(p.it);
}

/* The old value and the new one in a new item; nobody sees either change. */
static enum items_result join(struct item *old, struct item *it, bool append,
			      struct item **ret_item)
{
	struct key key = key_of_item(old);
	struct item *first = append ? old : it;
	struct item *second = append ? it : old;
	struct item *joined;
	enum items_result r;
	char *p;

	r = new_item(&key, old->flags, 0, first->nbytes + (size_t)second->nbytes - 2, &joined);
	if (r)
		return r;
	p = mempcpy(item_value(joined), item_value(first), first->nbytes - 2);
	memcpy(p, item_value(second), second->nbytes);
	*ret_item = joined;
	return ITEMS_OK;
}

/* Puts @it in the place of @old if that is still what is stored. */
static bool replace_if_same(struct item *old, struct item *it)
{
	struct key key = key_of_item(old);
	struct place p;
	bool same;

	place_lock(&p, &key);
	same = p.it == old;
	if (same) {
		it->expires = old->expires;
		place_store(&p, it);
	}
	place_unlock(&p);
	return same;
}

/* Allocating may evict, so it is done without the lock, and done again if
 * somebody else was faster. */
static enum items_result store_joined(struct item *it, bool append)
{
	struct key key = key_of_item(it);
	enum items_result r = ITEMS_OK;
	bool done = false;

	while (r == ITEMS_OK && !done) {
		struct item *old = peek(&key);
		struct item *joined = NULL;

		if (!old)
			return ITEMS_NOT_STORED;
		r = join(old, it, append, &joined);
		if (r == ITEMS_OK) {
			done = replace_if_same(old, joined);
			items_put(joined);
		}
		items_put(old);
	}
	return r == ITEMS_TOO_LARGE ? ITEMS_NOT_STORED : r;
}

static enum items_result may_store(const struct item *old, enum cmd cmd, uint64_t cas)
{
	switch (cmd) {
	case CMD_ADD:
		return old ? ITEMS_NOT_STORED : ITEMS_OK;
	case CMD_REPLACE:
		return old ? ITEMS_OK : ITEMS_NOT_STORED;
	case CMD_CAS:
		if (!old)
			return ITEMS_NOT_FOUND;
		return old->cas == cas ? ITEMS_OK : ITEMS_EXISTS;
	default:
		return ITEMS_OK;
	}
}

enum items_result items_store(struct item *it, enum cmd cmd, uint64_t cas)
{
	struct key key = key_of_item(it);
	struct place p;
	enum items_result r;

	if (cmd == CMD_APPEND || cmd == CMD_PREPEND)
		return store_joined(it, cmd == CMD_APPEND);
	place_lock(&p, &key);
	r = may_store(p.it, cmd, cas);
	if (r == ITEMS_OK)
		place_store(&p, it);
	place_unlock(&p);
	return r;
}

struct item *items_get(struct span text)
{
	struct key key = key_of(text);
	struct place p;

	if (negative_has(key.hash, text.at, text.len)) {
		count(&table_shard(&key.tenant->table, key.hash)->misses);
		return NULL;
	}
	place_lock(&p, &key);
	count(p.it ? &p.shard->hits : &p.shard->misses);
	if (p.it)
		item_ref(p.it);
	else
		negative_add(key.hash, text.at, text.len);
	place_unlock(&p);
	if (p.it)
		mark_used(key.tenant, p.it);
	return hold(p.it);
}

struct item *items_get_touch(struct span key, int32_t exptime)
{
	struct place p;

	place_find(&p, key);
	count(p.it ? &p.shard->hits : &p.shard->misses);
	if (p.it) {
		item_ref(p.it);
		p.it->expires = clock_expiry(exptime);
		mark_used(p.tenant, p.it);
	}
	place_unlock(&p);
	return hold(p.it);
}

enum items_result items_touch(struct span key, int32_t exptime)
{
	struct item *it = items_get_touch(key, exptime);

	if (!it)
		return ITEMS_NOT_FOUND;
	items_put(it);
	return ITEMS_OK;
}

enum items_result items_delete(struct span key)
{
	struct place p;
	enum items_result r = ITEMS_NOT_FOUND;

	place_find(&p, key);
	if (p.it) {
		drop(&p, p.it);
		r = ITEMS_OK;
	}
	place_unlock(&p);
	return r;
}

/* @out has room for @nbytes; what the digits do not need is padded with blanks, as
 * memcached does. */
static void write_number(char *out, size_t nbytes, const char *digits, size_t ndigits)
{
	memcpy(out, digits, ndigits);
	memset(out + ndigits, ' ', nbytes - 2 - ndigits);
	memcpy(out + nbytes - 2, "\r\n", 2);
}

/* Nobody reads it and it is long enough: written in place, under the lock. */
static bool write_in_place(struct item *old, const char *digits, size_t ndigits)
{
	struct key key = key_of_item(old);
	struct place p;
	bool fits;

	place_lock(&p, &key);
	/* two references: the table's and our caller's */
	fits = p.it == old && ndigits + 2 <= old->nbytes &&
	       __atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 2;
	if (fits) {
		write_number(item_value(old), old->nbytes, digits, ndigits);
		old->cas = epoch_next();
		mark_used(p.tenant, old);
	}
	place_unlock(&p);
	return fits;
}

static enum items_result write_new(struct item *old, const char *digits, size_t ndigits,
				   bool *ret_done)
{
	struct key key = key_of_item(old);
	struct item *it;
	enum items_result r = new_item(&key, old->flags, 0, ndigits + 2, &it);

	if (r)
		return r;
	write_number(item_value(it), ndigits + 2, digits, ndigits);
	*ret_done = replace_if_same(old, it);
	items_put(it);
	return ITEMS_OK;
}

static enum items_result arith_once(struct item *old, bool incr, uint64_t delta,
				    uint64_t *ret_value, bool *ret_done)
{
	struct span text = {item_value(old), old->nbytes - 2};
	char digits[24];
	uint64_t value;
	size_t n;

	if (!proto_number(text, &value))
		return ITEMS_NOT_NUMERIC;
	if (incr)
		value += delta;
	else
		value = value > delta ? value - delta : 0;
	n = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	*ret_value = value;
	*ret_done = write_in_place(old, digits, n);
	return *ret_done ? ITEMS_OK : write_new(old, digits, n, ret_done);
}

enum items_result items_arith(struct span text, bool incr, uint64_t delta, uint64_t *ret_value)
{
	struct key key = key_of(text);
	enum items_result r = ITEMS_OK;
	bool done = false;

	while (r == ITEMS_OK && !done) {
		struct item *old = peek(&key);

		if (!old)
			return ITEMS_NOT_FOUND;
		r = arith_once(old, incr, delta, ret_value, &done);
		items_put(old);
	}
	return r;
}

void items_drop(struct tenant *t, const char *prefix, char then)
{
	for (unsigned int i = 0; i < t->table.nr_shards; i++) {
		struct shard *s = table_shard(&t->table, i);

		pthread_mutex_lock(&s->lock);
		shard_drop(s, prefix, then, forget);
		pthread_mutex_unlock(&s->lock);
	}
}
