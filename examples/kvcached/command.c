/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/command.h"

#include <stdio.h>
#include <string.h>

#include "examples/kvcached/clock.h"
#include "examples/kvcached/items.h"
#include "examples/kvcached/options.h"
#include "examples/kvcached/stats.h"
#include "examples/kvcached/tenant.h"
#include "examples/kvcached/tenant_command.h"

/* Values up to this size are copied to the output, larger ones are referenced. */
#define COPY_MAX 1024

static void answer(struct session *s, const char *text)
{
	if (s->req.noreply)
		return;
	evbuffer_add(s->out, text, strlen(text));
	evbuffer_add(s->out, "\r\n", 2);
}

static void released(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	items_put(arg);
}

/* Takes over the caller's reference, and holds it until the client has the last
 * byte: meanwhile reclaim may unlink the item, but its bytes stay. */
static void put_value(struct session *s, struct item *it)
{
	if (it->nbytes > COPY_MAX &&
	    evbuffer_add_reference(s->out, item_value(it), it->nbytes, released, it) == 0)
		return;
	evbuffer_add(s->out, item_value(it), it->nbytes);
	items_put(it);
}

/* VALUE <key> <flags> <bytes>[ <cas unique>] */
static void put_item(struct session *s, struct item *it, bool with_cas)
{
	char head[KEY_MAX + 64];
	char *p = mempcpy(head, "VALUE ", 6);
	size_t room = sizeof(head) - 6 - it->nkey;

	p = mempcpy(p, item_key(it), it->nkey);
	if (with_cas)
		p += snprintf(p, room, " %u %u %llu\r\n", it->flags, it->nbytes - 2,
			      (unsigned long long)it->cas);
	else
		p += snprintf(p, room, " %u %u\r\n", it->flags, it->nbytes - 2);
	evbuffer_add(s->out, head, (size_t)(p - head));
	put_value(s, it);
}

static bool is_touching(enum cmd cmd)
{
	return cmd == CMD_GAT || cmd == CMD_GATS;
}

static void get_one(struct session *s, struct span key)
{
	enum cmd cmd = s->req.cmd;
	bool touch = is_touching(cmd);
	struct item *it = touch ? items_get_touch(key, s->req.exptime) : items_get(key);

	STATS_INC(s->stats, cmd_get);
	if (touch)
		STATS_INC(s->stats, cmd_touch);
	if (!it) {
		STATS_INC(s->stats, get_misses);
		if (touch)
			STATS_INC(s->stats, touch_misses);
		return;
	}
	STATS_INC(s->stats, get_hits);
	if (touch)
		STATS_INC(s->stats, touch_hits);
	put_item(s, it, cmd == CMD_GETS || cmd == CMD_GATS);
}

enum next command_keys(struct session *s)
{
	struct span key;

	while ((key = proto_word(&s->req.keys)).len) {
		get_one(s, key);
		if (evbuffer_get_length(s->out) > OUTPUT_HIGH)
			return NEXT_KEYS;
	}
	answer(s, "END");
	return NEXT_COMMAND;
}

/* There is no memory for the value, or it may not be that large. The old one is
 * dropped rather than left to be taken for the new one. */
static enum next refuse_value(struct session *s, enum items_result r)
{
	if (r == ITEMS_TOO_LARGE) {
		STATS_INC(s->stats, store_too_large);
		answer(s, "SERVER_ERROR object too large for cache");
	} else {
		STATS_INC(s->stats, store_no_memory);
		answer(s, "SERVER_ERROR out of memory storing object");
	}
	if (s->req.cmd == CMD_SET)
		(void)items_delete(s->req.key);
	s->swallow = (size_t)s->req.nbytes + 2;
	return NEXT_SWALLOW;
}

static enum next begin_store(struct session *s)
{
	const struct request *req = &s->req;
	enum items_result r;

	s->tenant = tenant_of(req->key);
	r = items_new(req->key, req->flags, req->exptime, (size_t)req->nbytes + 2, &s->item);
	return r ? refuse_value(s, r) : NEXT_VALUE;
}

static void count_cas(struct session *s, enum items_result r)
{
	if (r == ITEMS_OK)
		STATS_INC(s->stats, cas_hits);
	else if (r == ITEMS_EXISTS)
		STATS_INC(s->stats, cas_badval);
	else
		STATS_INC(s->stats, cas_misses);
}

static const char *store_answer(enum items_result r)
{
	switch (r) {
	case ITEMS_OK:
		return "STORED";
	case ITEMS_EXISTS:
		return "EXISTS";
	case ITEMS_NOT_FOUND:
		return "NOT_FOUND";
	case ITEMS_NO_MEMORY:
		return "SERVER_ERROR out of memory storing object";
	default:
		return "NOT_STORED";
	}
}

enum next command_value(struct session *s)
{
	struct item *it = s->item;
	enum items_result r;

	s->item = NULL;
	STATS_INC(s->stats, cmd_set);
	if (memcmp(item_value(it) + it->nbytes - 2, "\r\n", 2) != 0) {
		answer(s, "CLIENT_ERROR bad data chunk");
	} else {
		r = items_store(it, s->req.cmd, s->req.cas);
		if (s->req.cmd == CMD_CAS)
			count_cas(s, r);
		if (r == ITEMS_NO_MEMORY)
			STATS_INC(s->stats, store_no_memory);
		answer(s, store_answer(r));
	}
	items_put(it);
	return NEXT_COMMAND;
}

static void do_touch(struct session *s)
{
	STATS_INC(s->stats, cmd_touch);
	if (items_touch(s->req.key, s->req.exptime) == ITEMS_OK) {
		STATS_INC(s->stats, touch_hits);
		answer(s, "TOUCHED");
	} else {
		STATS_INC(s->stats, touch_misses);
		answer(s, "NOT_FOUND");
	}
}

static void do_delete(struct session *s)
{
	if (items_delete(s->req.key) == ITEMS_OK) {
		STATS_INC(s->stats, delete_hits);
		answer(s, "DELETED");
	} else {
		STATS_INC(s->stats, delete_misses);
		answer(s, "NOT_FOUND");
	}
}

static void count_arith(struct session *s, bool incr, bool hit)
{
	if (incr && hit)
		STATS_INC(s->stats, incr_hits);
	else if (incr)
		STATS_INC(s->stats, incr_misses);
	else if (hit)
		STATS_INC(s->stats, decr_hits);
	else
		STATS_INC(s->stats, decr_misses);
}

static void do_arith(struct session *s)
{
	bool incr = s->req.cmd == CMD_INCR;
	uint64_t value;
	char text[24];

	s->tenant = tenant_of(s->req.key);
	switch (items_arith(s->req.key, incr, s->req.delta, &value)) {
	case ITEMS_OK:
		count_arith(s, incr, true);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
		answer(s, text);
		break;
	case ITEMS_NOT_FOUND:
		count_arith(s, incr, false);
		answer(s, "NOT_FOUND");
		break;
	case ITEMS_NOT_NUMERIC:
		answer(s, "CLIENT_ERROR cannot increment or decrement non-numeric value");
		break;
	default:
		answer(s, "SERVER_ERROR out of memory");
		break;
	}
}

static void do_flush(struct session *s)
{
	STATS_INC(s->stats, cmd_flush);
	items_flush(clock_expiry(s->req.exptime));
	answer(s, "OK");
}

static enum next command_single(struct session *s)
{
	switch (s->req.cmd) {
	case CMD_TOUCH:
		do_touch(s);
		break;
	case CMD_DELETE:
		do_delete(s);
		break;
	case CMD_INCR:
	case CMD_DECR:
		do_arith(s);
		break;
	case CMD_FLUSH_ALL:
		do_flush(s);
		break;
	case CMD_STATS:
		stats_answer(s->out, s->req.key);
		break;
	case CMD_TENANT:
		answer(s, tenant_command(s->out, s->req.key, s->req.keys));
		break;
	case CMD_VERSION:
		answer(s, "VERSION " KVCACHED_VERSION);
		break;
	case CMD_VERBOSITY:
		options_set_verbosity(s->req.flags);
		answer(s, "OK");
		break;
	default:
		return NEXT_CLOSE; /* quit */
	}
	return NEXT_COMMAND;
}

enum next command_begin(struct session *s)
{
	if (s->req.error) {
		answer(s, s->req.error);
		return NEXT_COMMAND;
	}
	switch (s->req.cmd) {
	case CMD_GET:
	case CMD_GETS:
	case CMD_GAT:
	case CMD_GATS:
		return command_keys(s);
	case CMD_SET:
	case CMD_ADD:
	case CMD_REPLACE:
	case CMD_APPEND:
	case CMD_PREPEND:
	case CMD_CAS:
		return begin_store(s);
	default:
		return command_single(s);
	}
}

/* libshrink: over high a charge succeeds, and its thread owes a delay. Other clients are
 * on this thread, so that it is not slept here: the one who owes it waits. */
uint64_t command_owes(struct session *s)
{
	uint64_t usec = s->tenant ? shrink_throttle_owed() : 0;

	if (usec)
		__atomic_fetch_add(&s->tenant->throttled, 1u, __ATOMIC_RELAXED);
	s->tenant = NULL;
	return usec;
}

void command_abort(struct session *s)
{
	if (s->item)
		items_put(s->item);
	s->item = NULL;
}
