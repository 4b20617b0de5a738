// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/kvload/value.h"
#include "tools/kvload/zipf.h"

struct value_head {
	uint64_t id;
	uint64_t size;
	uint64_t sum; /* of all words but this one */
};

size_t value_key(char key[KEY_MAX], const char *prefix, uint64_t id)
{
	return (size_t)snprintf(key, KEY_MAX, "%skv:%016" PRIx64, prefix ? prefix : "",
				rng_mix(id));
}

uint32_t value_flags(uint64_t id)
{
	return (uint32_t)(rng_mix(id) & 0xffff);
}

uint32_t value_size(const struct value_range *range, uint64_t id)
{
	struct rng rng;
	double size;

	rng_seed(&rng, ~id);
	size = range->min * exp(rng_unit(&rng) * log((double)range->max / range->min));
	return size < range->max ? (uint32_t)size : range->max;
}

/* Any changed bit changes the sum: each step is one-to-one in the word. */
static uint64_t sum_word(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0xd6e8feb86659fd93u;
	return sum ^ (sum >> 32);
}

static uint64_t sum_bytes(uint64_t sum, const unsigned char *p, size_t len)
{
	uint64_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = sum_word(sum, word);
	}
	word = 0;
	memcpy(&word, p, len);
	return sum_word(sum, word ^ ((uint64_t)len << 56));
}

static uint64_t value_sum(const struct value_head *head, const void *body, size_t len)
{
	return sum_bytes(sum_word(sum_word(1, head->id), head->size), body, len);
}

void value_make(const struct value_range *range, uint64_t id, void *buf)
{
	struct value_head head = {.id = id, .size = value_size(range, id)};
	unsigned char *body = (unsigned char *)buf + sizeof(head);
	size_t len = head.size - sizeof(head), done = 0;
	struct rng rng;

	rng_seed(&rng, id);
	while (done < len) {
		uint64_t word = rng_next(&rng);
		size_t part = len - done < sizeof(word) ? len - done : sizeof(word);

		memcpy(body + done, &word, part);
		done += part;
	}
	head.sum = value_sum(&head, body, len);
	memcpy(buf, &head, sizeof(head));
}

int value_check(const struct value_range *range, uint64_t id, const void *buf, size_t size)
{
	struct value_head head;

	if (size != value_size(range, id))
		return 0;
	memcpy(&head, buf, sizeof(head));
	return head.id == id && head.size == size &&
	       head.sum == value_sum(&head, (const char *)buf + sizeof(head), size - sizeof(head));
}
