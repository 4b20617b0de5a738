/* SPDX-License-Identifier: MIT */
/*
 *	tenant NAME                      its statistics
 *	tenant NAME new [LIMIT SIZE]...  a new one
 *	tenant NAME LIMIT SIZE ...       limits: min, low, high, max
 *	tenant NAME empty                lets go of all that it has
 *
 * A line is checked before any of it is done. A limit below what is there is paid for
 * before the answer.
 */
#include "examples/kvcached/tenant_command.h"

#include <errno.h>
#include <string.h>

#include "examples/kvcached/items.h"
#include "examples/kvcached/stats.h"
#include "examples/kvcached/tenant.h"

static const char error_limit[] =
	"CLIENT_ERROR bad limit: min, low, high or max, and a size: bytes, with k, m, g, or none";

static bool is_word(struct span word, const char *text)
{
	return word.len == strlen(text) && memcmp(word.at, text, word.len) == 0;
}

static bool take_limit(struct span *words, enum shrink_memcg_limit *ret_which, uint64_t *ret_bytes)
{
	return tenant_limit_named(proto_word(words), ret_which) &&
	       tenant_parse_size(proto_word(words), ret_bytes);
}

static bool at_end(struct span words)
{
	return !proto_word(&words).len;
}

static bool are_limits(struct span words)
{
	enum shrink_memcg_limit which;
	uint64_t bytes;

	while (!at_end(words)) {
		if (!take_limit(&words, &which, &bytes))
			return false;
	}
	return true;
}

static const char *set_limits(struct tenant *t, struct span words)
{
	enum shrink_memcg_limit which;
	uint64_t bytes;
	int r = 0;

	while (r == 0 && !at_end(words) && take_limit(&words, &which, &bytes))
		r = tenant_set_limit(t, which, bytes);
	if (r == -ENOSPC)
		return "CLIENT_ERROR min of all tenants together exceeds what the server may have";
	if (r == -EBUSY)
		return "SERVER_ERROR max is set, but usage could not be brought below it";
	return r ? "SERVER_ERROR limit not set" : "OK";
}

static const char *add(struct span name, struct span limits)
{
	if (!are_limits(limits))
		return error_limit;
	switch (tenant_add(name)) {
	case 0:
		return set_limits(tenant_find(name), limits);
	case -EINVAL:
		return "CLIENT_ERROR bad name: 1 to 32 letters, digits, _ . or -, and not \"all\"";
	case -EEXIST:
		return "CLIENT_ERROR there is such a tenant";
	case -ENOSPC:
		return "SERVER_ERROR too many tenants";
	default:
		return "SERVER_ERROR out of memory making the tenant";
	}
}

/* Asked by reclaim, items that were used lately would stay. What the pool keeps for
 * the next store goes back to the system. */
static const char *empty(struct tenant *t)
{
	items_drop(t, NULL, 0);
	(void)shrink_memcg_force_empty(t->memcg);
	return "OK";
}

const char *tenant_command(struct evbuffer *out, struct span name, struct span words)
{
	struct span rest = words, verb = proto_word(&rest);
	struct tenant *t;

	if (!tenants_on())
		return "CLIENT_ERROR no tenants here: start the server with --tenants";
	if (is_word(verb, "new"))
		return add(name, rest);
	t = tenant_find(name);
	if (!t)
		return "CLIENT_ERROR no such tenant";
	if (!verb.len) {
		shrink_memcg_drain(); /* libshrink: for an exact usage */
		stats_tenant(out, t);
		return "END";
	}
	if (is_word(verb, "empty") && at_end(rest))
		return empty(t);
	return are_limits(words) ? set_limits(t, words) : error_limit;
}
