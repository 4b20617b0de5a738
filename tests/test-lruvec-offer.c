// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Objects whose memory is wanted: one chance, a ghost, and others in their place. */
#include <errno.h>
#include <string.h>

#include <shrink/fast.h>
#include <shrink/lruvec.h>
#include <libshrink/lru/lruvec.h>
#include "tests/harness.h"

#define OBJECTS 100

static struct shrink_lruvec_item items[OBJECTS];
static unsigned long freed;

static enum shrink_lruvec_outcome evict(void *arg, struct shrink_lruvec_item *item,
					struct shrink_lruvec_ask *ask)
{
	(void)arg;
	(void)item;
	(void)ask;
	return SHRINK_LRUVEC_FREED;
}

static void free_item(void *arg, struct shrink_lruvec_item *item)
{
	(void)arg;
	(void)item;
	freed++;
}

static int add(struct shrink_lruvec *lv, int i, unsigned int flags)
{
	int r = shrink_lruvec_add(lv, &items[i], shrink_workingset_hash(&i, sizeof(i)),
				  SHRINK_LRUVEC_CLEAN, 0, NULL, flags);

	CU_ASSERT(r >= 0);
	return r;
}

static struct shrink_lruvec *make(void)
{
	struct shrink_lruvec_options o = {.evict = evict, .free = free_item, .ghosts = OBJECTS};
	struct shrink_lruvec *lv = shrink_lruvec_create(&o, sizeof(o), "test-offer");

	CU_ASSERT_PTR_NOT_NULL_FATAL(lv);
	memset(items, 0, sizeof(items));
	freed = 0;
	return lv;
}

static struct shrink_lruvec_stats stats_of(struct shrink_lruvec *lv)
{
	struct shrink_lruvec_stats st;

	ASSERT_INT(shrink_lruvec_stats(lv, 0, &st, sizeof(st)), 0);
	return st;
}

static void arguments(void)
{
	struct shrink_lruvec *lv = make();

	ASSERT_INT(shrink_lruvec_offer(NULL, &items[0]), -EINVAL);
	ASSERT_INT(shrink_lruvec_offer(lv, NULL), -EINVAL);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[0]), -ENOENT);
	ASSERT_INT(shrink_lruvec_replace(lv, &items[0], NULL), -EINVAL);
	ASSERT_INT(shrink_lruvec_replace(lv, NULL, &items[0]), -EINVAL);
	ASSERT_INT(shrink_lruvec_replace(lv, &items[0], &items[1]), -ENOENT);
	add(lv, 0, 0);
	add(lv, 1, 0);
	ASSERT_INT(shrink_lruvec_replace(lv, &items[0], &items[1]), -EEXIST);
	shrink_lruvec_destroy(lv);
}

/* Inactive and not used: at once. Used: the second time. Active: too, and it makes no
 * difference that it was used as well. */
static void one_chance(void)
{
	struct shrink_lruvec *lv = make();

	for (int i = 0; i < 10; i++)
		add(lv, i, 0);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[0]), 1);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[0]), -ENOENT);
	shrink_fast_mark(&items[1].mark);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[1]), 0);
	ASSERT_INT(items[1].mark, 0);
	ASSERT_INT((long)stats_of(lv).active_clean, 1); /* used twice */
	ASSERT_INT(shrink_lruvec_offer(lv, &items[1]), 1);
	add(lv, 20, SHRINK_LRUVEC_ADD_ACTIVE);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[20]), 0);
	shrink_fast_mark(&items[20].mark); /* used again: another chance */
	ASSERT_INT(shrink_lruvec_offer(lv, &items[20]), 0);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[20]), 1);
	ASSERT_INT((long)stats_of(lv).total.freed, 3);
	ASSERT_INT((long)freed, 0); /* whoever asks has the memory */
	shrink_lruvec_destroy(lv);
}

/* A walk that moves the object makes it as good as never asked. */
static void walks_give_new_chance(void)
{
	struct shrink_lruvec *lv = make();

	for (int i = 0; i < 10; i++)
		add(lv, i, 0);
	add(lv, 20, SHRINK_LRUVEC_ADD_ACTIVE);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[20]), 0);
	ASSERT_INT(shrink_lruvec_activate(lv, &items[20]), 0);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[20]), 0);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[20]), 1);
	shrink_lruvec_destroy(lv);
}

static void ghosts_tell(void)
{
	struct shrink_lruvec *lv = make();
	int says;

	for (int i = 0; i < 20; i++)
		add(lv, i, i < 10 ? SHRINK_LRUVEC_ADD_ACTIVE : 0);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[15]), 1);
	says = add(lv, 15, 0);
	ASSERT_INT(says, (int)(SHRINK_REFAULT_FOUND | SHRINK_REFAULT_ACTIVATE));
	shrink_lruvec_offer(lv, &items[3]);
	ASSERT_INT(shrink_lruvec_offer(lv, &items[3]), 1);
	says = add(lv, 3, 0);
	CU_ASSERT((unsigned int)says & SHRINK_REFAULT_RESTORE); /* it had been active */
	ASSERT_INT((long)stats_of(lv).refaults, 2);
	shrink_lruvec_destroy(lv);
}

/* Offers alone do not make everything active: twice used as all of it may be. */
static void lists_keep_their_proportion(void)
{
	struct shrink_lruvec *lv = make();
	struct shrink_lruvec_stats st;

	for (int i = 0; i < OBJECTS; i++)
		add(lv, i, 0);
	for (int turn = 0; turn < 5; turn++) {
		for (int i = 0; i < OBJECTS; i++) {
			shrink_fast_mark(&items[i].mark);
			ASSERT_INT(shrink_lruvec_offer(lv, &items[i]), 0);
		}
	}
	st = stats_of(lv);
	ASSERT_INT((long)(st.active_clean + st.inactive_clean), OBJECTS);
	CU_ASSERT(st.inactive_clean >= OBJECTS / 4);
	shrink_lruvec_destroy(lv);
}

/* Place, mark, list and hash are the old one's: the next to go is the new one. */
static void replacing(void)
{
	struct shrink_lruvec *lv = make();

	for (int i = 0; i < 4; i++)
		add(lv, i, 0);
	add(lv, 4, SHRINK_LRUVEC_ADD_ACTIVE);
	ASSERT_INT(shrink_lruvec_replace(lv, &items[0], &items[50]), 0);
	ASSERT_INT(items[0].list, 0);
	CU_ASSERT(items[50].hash == items[0].hash);
	ASSERT_INT(shrink_lruvec_evict(lv, 0, SHRINK_GFP_ALL, 1, NULL, 0), 1);
	ASSERT_INT(items[50].list, 0);
	ASSERT_INT(items[1].list != 0, 1);
	CU_ASSERT((unsigned int)add(lv, 0, 0) & SHRINK_REFAULT_FOUND);
	shrink_fast_mark(&items[4].mark);
	ASSERT_INT(shrink_lruvec_replace(lv, &items[4], &items[54]), 0);
	ASSERT_INT(items[54].mark, 1);
	ASSERT_INT((long)stats_of(lv).refaults, 1); /* an overwrite is none */
	ASSERT_INT(shrink_lruvec_offer(lv, &items[54]), 0);
	shrink_lruvec_destroy(lv);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"bad arguments of offer and replace", arguments},
		{"what is wanted has one chance", one_chance},
		{"a walk gives another chance", walks_give_new_chance},
		{"ghosts of what was wanted tell of it", ghosts_tell},
		{"offers keep the lists in proportion", lists_keep_their_proportion},
		{"another object takes the place of the first", replacing},
		{NULL, NULL},
	};

	return test_main(argc, argv, "lruvec-offer", tests);
}
