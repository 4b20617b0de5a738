/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Intrusive doubly linked list under the caller's lock. For lists read without
 * one see core/registry.c. */
#ifndef SHRINK_BASE_LIST_H
#define SHRINK_BASE_LIST_H

#include <libshrink/base/bits.h>

struct shrink_list {
	struct shrink_list *next, *prev;
};

#define SHRINK_LIST_INIT(name) {&(name), &(name)}

static inline void shrink_list_init(struct shrink_list *l)
{
	l->next = l->prev = l;
}

static inline int shrink_list_empty(const struct shrink_list *l)
{
	return l->next == l;
}

static inline void shrink_list_add_tail(struct shrink_list *item, struct shrink_list *head)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

/* Leaves the item empty, so that deleting twice is harmless. */
static inline void shrink_list_del(struct shrink_list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	shrink_list_init(item);
}

/* Moves all of @from to the tail of @to. */
static inline void shrink_list_splice_tail(struct shrink_list *from, struct shrink_list *to)
{
	if (shrink_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	shrink_list_init(from);
}

#define shrink_list_entry(item, type, member) shrink_container_of(item, type, member)
#define shrink_list_for_each(pos, head)                                                            \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)
#define shrink_list_for_each_safe(pos, tmp, head)                                                  \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                           \
	     (pos) = (tmp), (tmp) = (pos)->next)

#endif /* SHRINK_BASE_LIST_H */
