// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The scouts: see lru/pulse.h. What they take of a mark they leave as a flag. */
#include <shrink/fast.h>
#include <libshrink/lru/lruvec.h>

static void look(struct lruvec_node *node, int kind, int list)
{
	struct lruvec_list *l = lruvec_list(node, kind, list);
	struct shrink_lruvec_item *item;
	bool used;

	if (l->scout == &l->head)
		l->scout = l->head.prev;
	item = l->scout;
	if (item == &l->head)
		return;
	l->scout = item->prev;
	used = shrink_fast_test_clear(&item->mark);
	if (used)
		item->flags |= LRUVEC_USED;
	if (item->flags & LRUVEC_PASSED) {
		shrink_pulse_note(&node->pulse[kind], list, used, lruvec_nr(node, kind, list));
		item->flags = (unsigned char)((item->flags & ~LRUVEC_IDLE) |
					      (used ? 0 : LRUVEC_IDLE));
	}
	item->flags |= LRUVEC_PASSED;
}

/* As often at the one as at the other, so that their rounds take equally long where the
 * lists are equally long. A longer active list is told from later, and costs no more; a
 * shorter one is not gone round more often. */
void shrink_lruvec_scout(struct lruvec_node *node, int kind, uint64_t gone)
{
	uint64_t inactive = lruvec_nr(node, kind, SHRINK_INACTIVE);
	uint64_t active = lruvec_nr(node, kind, SHRINK_ACTIVE);
	struct shrink_pulse *p = &node->pulse[kind];
	uint64_t looks = gone * SHRINK_PULSE_PACE;

	for (uint64_t i = 0; i < looks; i++) {
		look(node, kind, SHRINK_INACTIVE);
		p->owed += shrink_min_u64(active, inactive + 1);
		if (p->owed <= inactive)
			continue;
		p->owed -= inactive + 1;
		look(node, kind, SHRINK_ACTIVE);
	}
}

struct shrink_lruvec_item *shrink_lruvec_stale(struct lruvec_node *node, int kind)
{
	struct lruvec_list *l = lruvec_list(node, kind, SHRINK_ACTIVE);
	struct shrink_lruvec_item *oldest = l->head.prev;

	if (oldest == &l->head || !(oldest->flags & LRUVEC_IDLE))
		return NULL;
	return shrink_pulse_stale(&node->pulse[kind]) ? oldest : NULL;
}
