/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Effective protection: how much of its min and low a group really has, for reclaim
 * that was started at one of its ancestors, the top.
 *
 * The children of the top have what they are set to. Further down, a group claims no
 * more of its setting than it uses, and
 *
 *	where siblings together claim more than their parent has:
 *		claim * parent's effective / sum of claims
 *
 *	where they claim less, what nobody claims belongs to those who use more than
 *	they claimed, each by what it uses beyond that:
 *		claim + (parent's effective - sum of claims)
 *			* (usage - claim) / (parent's usage - sum of claims)
 *
 * The latter is the kernel's with the mount option memory_recursiveprot, which
 * systemd sets: without it a tenant's protection would not reach its subgroups.
 *
 * The sum of claims is kept up to date by each charge and setting, so that nobody
 * has to visit the siblings.
 */
#ifndef SHRINK_CORE_MEMCG_PROTECT_H
#define SHRINK_CORE_MEMCG_PROTECT_H

#include <libshrink/core/memcg.h>

struct shrink_memcg_claims {
	uint64_t usage, setting;
	uint64_t parent_usage, parent_effective;
	uint64_t siblings; /* sum of claims of the parent's children, this one's too */
};

/* The formula above, below the top's children. Pure. */
uint64_t shrink_memcg_protection(const struct shrink_memcg_claims *c);

/* Effective min [0] and low [1] of @memcg, which is below @top. They are worked out
 * anew along the line between the two, so that reclaim started elsewhere at the same
 * time, to which the same groups have other values, does no harm. */
void shrink_memcg_protect(struct shrink_memcg *top, struct shrink_memcg *memcg, uint64_t ret[2]);
/* Tells the parent's sums of a changed usage or setting. */
void shrink_memcg_tell_protection(struct shrink_memcg *memcg);

#endif /* SHRINK_CORE_MEMCG_PROTECT_H */
