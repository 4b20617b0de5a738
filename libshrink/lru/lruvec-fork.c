// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <pthread.h>
#include <stdbool.h>

#include <libshrink/base/atfork.h>
#include <libshrink/lru/lruvec-fork.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shrink_list listed[SHRINK_LRUVEC_FORK_RANKS] = {
	SHRINK_LIST_INIT(listed[SHRINK_LRUVEC_FORK_AGES]),
	SHRINK_LIST_INIT(listed[SHRINK_LRUVEC_FORK_GROUPS]),
	SHRINK_LIST_INIT(listed[SHRINK_LRUVEC_FORK_LRUVEC]),
	SHRINK_LIST_INIT(listed[SHRINK_LRUVEC_FORK_WORKINGSET]),
};

static struct shrink_lruvec_fork *entry(struct shrink_list *pos)
{
	return shrink_list_entry(pos, struct shrink_lruvec_fork, link);
}

static void prepare(void)
{
	struct shrink_list *pos;

	pthread_mutex_lock(&lock);
	for (int rank = 0; rank < SHRINK_LRUVEC_FORK_RANKS; rank++)
		shrink_list_for_each(pos, &listed[rank])
			entry(pos)->lock(entry(pos));
}

static void done(bool child)
{
	struct shrink_list *pos;

	for (int rank = SHRINK_LRUVEC_FORK_RANKS; rank-- > 0;) {
		shrink_list_for_each(pos, &listed[rank]) {
			struct shrink_lruvec_fork *f = entry(pos);

			if (child && f->child)
				f->child(f);
			else
				f->unlock(f);
		}
	}
	pthread_mutex_unlock(&lock);
}

static void parent(void)
{
	done(false);
}

static void child(void)
{
	done(true);
}

int shrink_lruvec_enlist(enum shrink_lruvec_fork_rank rank, struct shrink_lruvec_fork *self)
{
	static const struct shrink_fork_hooks hooks = {prepare, parent, child};
	int r = shrink_fork_register(SHRINK_FORK_LRUVEC, &hooks);

	if (r < 0)
		return r;
	pthread_mutex_lock(&lock);
	shrink_list_add_tail(&self->link, &listed[rank]);
	pthread_mutex_unlock(&lock);
	return 0;
}

void shrink_lruvec_delist(struct shrink_lruvec_fork *self)
{
	if (!self->link.next)
		return;
	pthread_mutex_lock(&lock);
	shrink_list_del(&self->link);
	pthread_mutex_unlock(&lock);
}
