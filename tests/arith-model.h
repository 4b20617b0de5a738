/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The formulas of the contract, sections 2.1 and 2.2, a second time: in 128-bit
 * integers and in one piece, so that it shares no step with the library. Every
 * sum is cut to 64 bits afterwards, as a two's-complement machine does.
 */
#ifndef TESTS_ARITH_MODEL_H
#define TESTS_ARITH_MODEL_H

#include <stdint.h>

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 uwide;

struct model {
	uint64_t delta;
	int64_t total, next, put_off;
	int calls; /* made, with every call looking at what it is asked for */
};

static inline int64_t model_cut(wide v)
{
	return (int64_t)(uint64_t)v;
}

static inline int64_t model_shift(int64_t v, int bits)
{
	wide unit = (wide)1 << bits, rest = v % unit;

	return (int64_t)((v - (rest < 0 ? rest + unit : rest)) / unit);
}

static inline uint64_t model_delta(int64_t f, int p, int s)
{
	if (s == 0)
		return (uint64_t)(f / 2);
	return (uint64_t)((uwide)(f / ((int64_t)1 << p)) * 4) / (uint64_t)s;
}

/* The slice's beginning. */
static inline struct model model_begin(int old, int64_t f, int p, int s, int64_t nr)
{
	struct model m = {.delta = model_delta(f, p, s)};
	int64_t twice = model_cut((wide)f * 2);

	if (!old) {
		m.total = model_cut((wide)model_shift(nr, p) + (int64_t)m.delta);
		m.total = m.total > twice ? twice : m.total;
		return m;
	}
	m.total = m.next = model_cut((wide)nr + (int64_t)m.delta);
	if (m.total < 0) {
		m.total = f;
		m.next = nr;
	}
	if (m.delta < (uint64_t)(f / 4) && m.total > f / 2)
		m.total = f / 2;
	if (m.total > twice)
		m.total = twice;
	return m;
}

/* What it puts off after @scanned. */
static inline int64_t model_end(const struct model *m, int old, int64_t f, int64_t nr,
				int64_t scanned)
{
	int64_t twice = model_cut((wide)f * 2), next;

	if (old)
		return m->next >= scanned ? model_cut((wide)m->next - scanned) : 0;
	next = model_cut((wide)nr + (int64_t)m->delta - scanned);
	next = next < 0 ? 0 : next;
	return next < twice ? next : twice;
}

#endif /* TESTS_ARITH_MODEL_H */
