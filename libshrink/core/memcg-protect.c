// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-protect.h>

static uint64_t get(const _Atomic uint64_t *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

uint64_t shrink_memcg_protection(const struct shrink_memcg_claims *c)
{
	uint64_t claim = shrink_min_u64(c->usage, c->setting);

	if (c->siblings > c->parent_effective)
		return shrink_mul_div(claim, c->parent_effective, c->siblings);
	if (c->usage <= claim || c->parent_usage <= c->siblings)
		return claim;
	return claim + shrink_mul_div(c->parent_effective - c->siblings, c->usage - claim,
				      c->parent_usage - c->siblings);
}

static uint64_t effective(struct shrink_memcg *memcg, uint64_t parent_effective, int i)
{
	struct shrink_memcg_account *up = memcg->parent->account;
	struct shrink_memcg_claims c = {
		.usage = shrink_memcg_usage_now(memcg),
		.setting = get(&memcg->account->limit[i]),
		.parent_usage = shrink_memcg_usage_now(memcg->parent),
		.parent_effective = parent_effective,
		.siblings = get(&up->children[i]),
	};

	return shrink_memcg_protection(&c);
}

/* Parents first; a line of ancestors is at most SHRINK_MEMCG_DEPTH_MAX long. */
void shrink_memcg_protect(struct shrink_memcg *top, struct shrink_memcg *memcg, uint64_t ret[2])
{
	struct shrink_memcg_account *a = memcg->account;

	if (memcg->parent != top)
		shrink_memcg_protect(top, memcg->parent, ret);
	for (int i = 0; i < 2; i++) {
		ret[i] = memcg->parent == top ? get(&a->limit[i]) : effective(memcg, ret[i], i);
		atomic_store_explicit(&a->effective[i], ret[i], memory_order_relaxed);
	}
}

/* An offline group protects nothing. */
static uint64_t claim_now(struct shrink_memcg *memcg, int i)
{
	struct shrink_memcg_account *a = memcg->account;

	if (!atomic_load(&memcg->online))
		return 0;
	return shrink_min_u64(get(&a->usage), get(&a->limit[i]));
}

/* Exchange and add, so that the sum is that of what was told; and looked at once
 * more after, so that the last of concurrent tellers leaves what is true at rest. */
void shrink_memcg_tell_protection(struct shrink_memcg *memcg)
{
	struct shrink_memcg_account *a = memcg->account, *up = memcg->parent->account;
	uint64_t now, before;

	if (!up)
		return;
	for (int i = 0; i < 2; i++) {
		if (!get(&a->limit[i]) && !get(&a->told[i]))
			continue;
		while ((now = claim_now(memcg, i)) != atomic_load(&a->told[i])) {
			before = atomic_exchange(&a->told[i], now);
			atomic_fetch_add_explicit(&up->children[i], now - before,
						  memory_order_relaxed);
		}
	}
}
