/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/proto.h"

#include <ctype.h>
#include <string.h>

#define WORDS_MAX 8 /* one more than any command with a fixed form takes */
#define ANY	  (~0u)

static const char error_plain[] = "ERROR";
static const char error_format[] = "CLIENT_ERROR bad command line format";
static const char error_exptime[] = "CLIENT_ERROR invalid exptime argument";
static const char error_delta[] = "CLIENT_ERROR invalid numeric delta argument";
static const char error_delete[] =
	"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";

struct span proto_word(struct span *rest)
{
	struct span word;
	const char *end = rest->at + rest->len;
	const char *p = rest->at;

	while (p < end && *p == ' ')
		p++;
	word.at = p;
	while (p < end && *p != ' ')
		p++;
	word.len = (size_t)(p - word.at);
	rest->at = p;
	rest->len = (size_t)(end - p);
	return word;
}

static bool word_is(struct span word, const char *text)
{
	return word.len == strlen(text) && memcmp(word.at, text, word.len) == 0;
}

/* Sign and magnitude of a decimal number that ends at the word's end or at a
 * white space, which is how memcached's strtol() calls take it. */
static bool parse_magnitude(struct span word, bool *ret_negative, uint64_t *ret_value)
{
	const char *p = word.at;
	const char *end = word.at + word.len;
	const char *digits;
	uint64_t value = 0;
	bool negative;

	while (p < end && isspace((unsigned char)*p))
		p++;
	negative = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (digits = p; p < end && *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	}
	if (p == digits || (p < end && !isspace((unsigned char)*p)))
		return false;
	*ret_negative = negative;
	*ret_value = value;
	return true;
}

bool proto_number(struct span word, uint64_t *ret_value)
{
	bool negative;
	uint64_t value;

	if (!parse_magnitude(word, &negative, &value))
		return false;
	if (negative) /* strtoull() wraps; only a result that looks negative is refused */
		value = 0 - value;
	if (negative && (value >> 63))
		return false;
	*ret_value = value;
	return true;
}

/* memcached reads these with strtol() and keeps the lower half: so do we. */
static bool parse_int32(struct span word, int32_t *ret_value)
{
	bool negative;
	uint64_t value;

	if (!parse_magnitude(word, &negative, &value))
		return false;
	if (value > (uint64_t)INT64_MAX + negative)
		return false;
	*ret_value = (int32_t)(uint32_t)(negative ? 0 - value : value);
	return true;
}

static bool parse_flags(struct span word, uint32_t *ret_value)
{
	uint64_t value;

	if (!proto_number(word, &value))
		return false;
	*ret_value = (uint32_t)value;
	return true;
}

/* Only the last word can be "noreply"; the command's own name cannot. */
static bool ends_in_noreply(const struct span *words, unsigned int n)
{
	return n > 1 && word_is(words[n - 1], "noreply");
}

static const char *take_key(struct request *req, struct span word)
{
	req->key = word;
	return word.len > KEY_MAX ? error_format : NULL;
}

/*
 * One function per form of line. Each gets the words, words[0] being the
 * command, and returns the error to answer or NULL.
 */
typedef const char *form_fn(struct request *req, const struct span *words, unsigned int n);

/* Any key that is too long spoils the whole line, before any is answered. */
static const char *check_keys(struct span keys)
{
	struct span word;

	while ((word = proto_word(&keys)).len) {
		if (word.len > KEY_MAX)
			return error_format;
	}
	return NULL;
}

static const char *form_get(struct request *req, const struct span *words, unsigned int n)
{
	(void)words;
	(void)n;
	return check_keys(req->keys);
}

static const char *form_gat(struct request *req, const struct span *words, unsigned int n)
{
	(void)words;
	(void)n;
	if (!parse_int32(proto_word(&req->keys), &req->exptime))
		return error_exptime;
	return check_keys(req->keys);
}

/* <key> <flags> <exptime> <bytes> [noreply] */
static const char *form_store(struct request *req, const struct span *words, unsigned int n)
{
	const char *error = take_key(req, words[1]);

	req->noreply = ends_in_noreply(words, n);
	if (error)
		return error;
	if (!parse_flags(words[2], &req->flags) || !parse_int32(words[3], &req->exptime) ||
	    !parse_int32(words[4], &req->nbytes))
		return error_format;
	if (req->nbytes < 0 || req->nbytes > INT32_MAX - 2)
		return error_format;
	return NULL;
}

/* <key> <flags> <exptime> <bytes> <cas unique> [noreply] */
static const char *form_cas(struct request *req, const struct span *words, unsigned int n)
{
	const char *error = form_store(req, words, n);

	if (!error && !proto_number(words[5], &req->cas))
		error = error_format;
	return error;
}

static const char *form_touch(struct request *req, const struct span *words, unsigned int n)
{
	const char *error = take_key(req, words[1]);

	req->noreply = ends_in_noreply(words, n);
	if (!error && !parse_int32(words[2], &req->exptime))
		error = error_exptime;
	return error;
}

/* An old "time" argument is taken if it is 0. */
static const char *form_delete(struct request *req, const struct span *words, unsigned int n)
{
	const char *error = take_key(req, words[1]);
	bool zero = n > 2 && word_is(words[2], "0");

	req->noreply = n > 2 && ends_in_noreply(words, n); /* "delete noreply" is a key */
	if (n == 3 && !zero && !req->noreply)
		return error_delete;
	if (n == 4 && !(zero && req->noreply))
		return error_delete;
	return error;
}

static const char *form_arith(struct request *req, const struct span *words, unsigned int n)
{
	const char *error = take_key(req, words[1]);

	req->noreply = ends_in_noreply(words, n);
	if (!error && !proto_number(words[2], &req->delta))
		error = error_delta;
	return error;
}

static const char *form_flush(struct request *req, const struct span *words, unsigned int n)
{
	req->noreply = ends_in_noreply(words, n);
	if (n > (req->noreply ? 2u : 1u) && !parse_int32(words[1], &req->exptime))
		return error_exptime;
	return NULL;
}

static const char *form_verbosity(struct request *req, const struct span *words, unsigned int n)
{
	req->noreply = ends_in_noreply(words, n);
	return parse_flags(words[1], &req->flags) ? NULL : error_format;
}

static const char *form_stats(struct request *req, const struct span *words, unsigned int n)
{
	static const struct span none = {"", 0};

	req->key = n > 1 ? words[1] : none;
	return NULL;
}

/* <name> [<words>] [noreply]: what the words mean is no business of the grammar's */
static const char *form_tenant(struct request *req, const struct span *words, unsigned int n)
{
	const char *line_end = req->keys.at + req->keys.len;
	struct span rest = req->keys, word;

	(void)n;
	req->key = words[1];
	(void)proto_word(&rest);
	req->keys = rest;
	while ((word = proto_word(&rest)).len) {
		req->noreply = word_is(word, "noreply") && word.at + word.len == line_end;
		if (req->noreply)
			req->keys.len = (size_t)(word.at - req->keys.at);
	}
	return NULL;
}

static const char *form_any(struct request *req, const struct span *words, unsigned int n)
{
	(void)req;
	(void)words;
	(void)n;
	return NULL;
}

static const struct verb {
	const char *name;
	enum cmd cmd;
	unsigned int words_min; /* the command's name included */
	unsigned int words_max;
	form_fn *form;
} verbs[] = {
	{"get", CMD_GET, 2, ANY, form_get},
	{"gets", CMD_GETS, 2, ANY, form_get},
	{"bget", CMD_GET, 2, ANY, form_get},
	{"gat", CMD_GAT, 2, ANY, form_gat},
	{"gats", CMD_GATS, 2, ANY, form_gat},
	{"set", CMD_SET, 5, 6, form_store},
	{"add", CMD_ADD, 5, 6, form_store},
	{"replace", CMD_REPLACE, 5, 6, form_store},
	{"append", CMD_APPEND, 5, 6, form_store},
	{"prepend", CMD_PREPEND, 5, 6, form_store},
	{"cas", CMD_CAS, 6, 7, form_cas},
	{"touch", CMD_TOUCH, 3, 4, form_touch},
	{"delete", CMD_DELETE, 2, 4, form_delete},
	{"incr", CMD_INCR, 3, 4, form_arith},
	{"decr", CMD_DECR, 3, 4, form_arith},
	{"flush_all", CMD_FLUSH_ALL, 1, 3, form_flush},
	{"stats", CMD_STATS, 1, ANY, form_stats},
	{"tenant", CMD_TENANT, 2, ANY, form_tenant},
	{"version", CMD_VERSION, 1, ANY, form_any},
	{"verbosity", CMD_VERBOSITY, 2, 3, form_verbosity},
	{"quit", CMD_QUIT, 1, ANY, form_any},
};

static const struct verb *find_verb(struct span word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (word_is(word, verbs[i].name))
			return &verbs[i];
	}
	return NULL;
}

/* Somebody's web browser: memcached hangs up, unless the first letter is one of
 * those it looks at first. */
static bool is_http(struct span line)
{
	struct span word, last = {NULL, 0};

	if (line.len && strchr("gsacidt", *line.at))
		return false;
	while ((word = proto_word(&line)).len)
		last = word;
	return last.len >= 5 && memcmp(last.at, "HTTP/", 5) == 0;
}

static enum proto_result parse_line(struct span line, struct request *req)
{
	struct span words[WORDS_MAX], rest = line;
	const struct verb *verb;
	unsigned int n = 0;

	while (n < WORDS_MAX && (words[n] = proto_word(&rest)).len)
		n++;
	verb = n ? find_verb(words[0]) : NULL;
	if (!verb) {
		req->error = error_plain;
		return is_http(line) ? PROTO_CLOSE : PROTO_REQUEST;
	}
	req->cmd = verb->cmd;
	req->keys.at = words[0].at + words[0].len;
	req->keys.len = line.len - (size_t)(req->keys.at - line.at);
	if (n < verb->words_min || n > verb->words_max)
		req->error = error_plain;
	else
		req->error = verb->form(req, words, n);
	return PROTO_REQUEST;
}

/* No end of line yet: wait for it, unless there cannot be a sane one. */
static enum proto_result parse_open(const char *buf, size_t len)
{
	size_t blanks = 0;

	if (len <= LINE_MAX_OTHER)
		return PROTO_MORE;
	while (buf[blanks] == ' ' && blanks < 101)
		blanks++;
	if (blanks > 100 || len > LINE_MAX_GET)
		return PROTO_CLOSE;
	if (memcmp(buf + blanks, "get ", 4) && memcmp(buf + blanks, "gets ", 5))
		return PROTO_CLOSE;
	return PROTO_MORE;
}

enum proto_result proto_parse(const char *buf, size_t len, struct request *req, size_t *ret_used)
{
	const char *end = len ? memchr(buf, '\n', len) : NULL;
	const char *nul;
	struct span line = {buf, 0};

	if (!end)
		return parse_open(buf, len);
	*ret_used = (size_t)(end - buf) + 1;
	memset(req, 0, sizeof(*req));
	if (end > buf && end[-1] == '\r')
		end--;
	line.len = (size_t)(end - buf);
	nul = line.len ? memchr(buf, '\0', line.len) : NULL;
	if (nul) /* memcached's strings end there */
		line.len = (size_t)(nul - buf);
	return parse_line(line, req);
}
