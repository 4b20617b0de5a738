// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/bridge/attribute.h>

#define TOP_GROUP  1
#define DOUBT_NSEC NSEC_PER_SEC
#define DEFER_NSEC NSEC_PER_SEC

enum {
	IN_NOTHING,
	IN_GROUP,
	IN_ALL,
};

static unsigned int place_of(uint32_t tid)
{
	return tid * 2654435761u >> 22; /* ten bits: ATTRIBUTE_TASKS */
}

static void enter(struct attribute *a, uint32_t tid, unsigned char in)
{
	unsigned int i = place_of(tid);

	a->tasks[i].tid = tid;
	a->tasks[i].in = in;
}

static void leave(struct attribute *a, uint32_t tid)
{
	unsigned int i = place_of(tid);

	if (a->tasks[i].tid == tid)
		a->tasks[i].in = IN_NOTHING;
}

static unsigned char in_what(const struct attribute *a, uint32_t tid)
{
	unsigned int i = place_of(tid);

	return a->tasks[i].tid == tid ? a->tasks[i].in : IN_NOTHING;
}

/* As in the kernel's programs: the first of each millisecond, then only harder ones. */
static bool tell(struct attribute *a, const struct attribute_record *r, bool all,
		 enum follow_kind kind, struct follow_event *event)
{
	int nid = r->nid >= 0 && r->nid < ATTRIBUTE_NODES ? r->nid : ATTRIBUTE_NODES;
	uint64_t msec = r->nsec / NSEC_PER_MSEC;
	unsigned int folded = a->told[all][nid].folded;

	if (a->told[all][nid].msec == msec && r->priority >= a->told[all][nid].priority) {
		a->told[all][nid].folded++;
		return false;
	}
	a->told[all][nid].msec = msec;
	a->told[all][nid].priority = r->priority;
	a->told[all][nid].folded = 0;
	*event = (struct follow_event){
		.nsec = r->nsec,
		.group = all ? TOP_GROUP : a->group,
		.nid = r->nid,
		.priority = r->priority,
		.kind = kind,
		.folded = folded,
		.lost = a->lost,
	};
	return true;
}

/* The hardest of the process at that node; who finds no place is forgotten. */
static void defer(struct attribute *a, const struct attribute_record *r)
{
	struct attribute_record *place = NULL;

	for (int i = 0; i < ATTRIBUTE_DEFERRED; i++) {
		struct attribute_record *d = &a->deferred[i];

		if (d->pid == r->pid && d->nid == r->nid) {
			if (r->priority < d->priority)
				d->priority = r->priority;
			return;
		}
		if (!d->pid)
			place = d;
	}
	if (place)
		*place = *r;
}

/* What is done in a group is done to the group of who does it. */
static bool slab_in_group(struct attribute *a, const struct attribute_record *r,
			  struct follow_event *event)
{
	switch (a->ours(a->arg, r->pid)) {
	case MEMBERS_YES:
		return tell(a, r, false, FOLLOW_RECLAIM, event);
	case MEMBERS_UNKNOWN:
		defer(a, r);
		return false;
	case MEMBERS_NO:
		return false;
	}
	return false;
}

static bool slab(struct attribute *a, const struct attribute_record *r, struct follow_event *event)
{
	unsigned char in = in_what(a, r->tid);

	if (in == IN_ALL)
		return tell(a, r, true, FOLLOW_RECLAIM, event);
	if (in == IN_GROUP || r->priority > 0)
		return slab_in_group(a, r, event);
	return r->nsec >= a->doubt_until && tell(a, r, true, FOLLOW_DROP, event);
}

bool shrink_attribute_deferred(struct attribute *a, uint64_t now, struct follow_event *event)
{
	for (int i = 0; i < ATTRIBUTE_DEFERRED; i++) {
		struct attribute_record r = a->deferred[i];
		enum members_answer answer;

		if (!r.pid)
			continue;
		answer = a->ours(a->arg, r.pid);
		if (answer == MEMBERS_UNKNOWN && now - r.nsec < DEFER_NSEC)
			continue;
		a->deferred[i].pid = 0;
		if (answer == MEMBERS_YES && tell(a, &r, false, FOLLOW_RECLAIM, event))
			return true;
	}
	return false;
}

/* Hints know no priority, and are not folded: each begins something. */
static bool hint(const struct attribute_record *r, uint64_t group, struct follow_event *event)
{
	*event = (struct follow_event){
		.nsec = r->nsec,
		.group = group,
		.nid = r->kind == ATTRIBUTE_KSWAPD_WAKE ? r->nid : -1,
		.priority = -1,
		.kind = FOLLOW_HINT,
	};
	return true;
}

static bool begin(struct attribute *a, const struct attribute_record *r, struct follow_event *event)
{
	enter(a, r->tid, r->kind == ATTRIBUTE_MEMCG_BEGIN ? IN_GROUP : IN_ALL);
	if (r->kind == ATTRIBUTE_KSWAPD_WAKE)
		return hint(r, TOP_GROUP, event);
	return a->ours(a->arg, r->pid) == MEMBERS_YES && hint(r, a->group, event);
}

bool shrink_attribute(struct attribute *a, const struct attribute_record *r,
		      struct follow_event *ret_event)
{
	switch (r->kind) {
	case ATTRIBUTE_SLAB:
		return slab(a, r, ret_event);
	case ATTRIBUTE_MEMCG_BEGIN:
	case ATTRIBUTE_ALL_BEGIN:
	case ATTRIBUTE_KSWAPD_WAKE:
		return begin(a, r, ret_event);
	case ATTRIBUTE_END:
		leave(a, r->tid);
		return false;
	case ATTRIBUTE_LOST:
		memset(a->tasks, 0, sizeof(a->tasks));
		a->lost += r->lost;
		a->doubt_until = r->nsec + DOUBT_NSEC;
		return false;
	}
	return false;
}
