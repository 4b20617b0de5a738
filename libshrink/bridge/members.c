// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/bridge/members.h>
#include <libshrink/os/alloc.h>
#include <libshrink/os/cgroup.h>
#include <libshrink/os/lines.h>

#define SLOTS	      8192u /* twice the processes, a power of two */
#define MEMBERS_MAX   4096
#define STRANGERS     256
#define STRANGER_NSEC NSEC_PER_SEC
#define OLD_NSEC      (10 * NSEC_PER_SEC)

struct table {
	uint32_t pids[SLOTS]; /* 0 = free */
	int nr;
};

struct stranger {
	uint32_t pid;
	unsigned int made; /* tables made when it was first not found */
	uint64_t until;	   /* it is one; 0 = not decided */
};

struct members {
	struct table tables[2];
	_Atomic unsigned int made; /* the last is tables[made % 2] */
	/* the asker's */
	struct stranger strangers[STRANGERS];
	bool wanted;
	unsigned int wanted_at;
	uint64_t made_nsec;
	unsigned int seen;
	char path[SHRINK_CGROUP_PATH + 32];
};

static unsigned int slot_of(uint32_t pid)
{
	return pid * 2654435761u >> 19; /* 13 bits: SLOTS */
}

static bool in_table(const struct table *t, uint32_t pid)
{
	unsigned int i = slot_of(pid);

	for (; t->pids[i]; i = (i + 1) % SLOTS)
		if (t->pids[i] == pid)
			return true;
	return false;
}

static int put(void *arg, char *line)
{
	struct table *t = arg;
	const char *p = line;
	unsigned int i;
	uint64_t pid;

	if (shrink_parse_u64(&p, &pid) < 0 || !pid || pid > UINT32_MAX)
		return 0; /* 0: outside of our namespace */
	if (t->nr == MEMBERS_MAX)
		return 1;
	for (i = slot_of((uint32_t)pid); t->pids[i] && t->pids[i] != pid; i = (i + 1) % SLOTS)
		;
	t->nr += !t->pids[i];
	t->pids[i] = (uint32_t)pid;
	return 0;
}

int shrink_members_make(struct members *m)
{
	unsigned int made = atomic_load_explicit(&m->made, memory_order_relaxed);
	struct table *t = &m->tables[(made + 1) % 2];
	int r;

	memset(t, 0, sizeof(*t));
	/* opened anew: v1 shows a list that is open as it was when that was read first */
	r = shrink_os_lines(m->path, put, t);
	if (r < 0)
		return r;
	atomic_store_explicit(&m->made, made + 1, memory_order_release);
	return 0;
}

struct members *shrink_members_open(const char *dir)
{
	struct members *m = shrink_os_alloc(sizeof(*m));

	if (!m)
		return NULL;
	if ((size_t)snprintf(m->path, sizeof(m->path), "%s/cgroup.procs", dir) <
		    sizeof(m->path) &&
	    !shrink_members_make(m))
		return m;
	shrink_os_free(m);
	return NULL;
}

void shrink_members_close(struct members *m)
{
	shrink_os_free(m);
}

static void want(struct members *m, unsigned int made)
{
	if (m->wanted)
		return;
	m->wanted = true;
	m->wanted_at = made;
}

/* Not in the table of number @made. */
static enum members_answer judge(struct members *m, struct stranger *s, uint32_t pid,
				 unsigned int made, uint64_t now)
{
	if (s->pid == pid && s->until && now < s->until)
		return MEMBERS_NO;
	if (s->pid == pid && !s->until && made != s->made) {
		s->until = now + STRANGER_NSEC;
		return MEMBERS_NO;
	}
	if (s->pid != pid || s->until)
		*s = (struct stranger){.pid = pid, .made = made};
	want(m, made);
	return MEMBERS_UNKNOWN;
}

enum members_answer shrink_members_ask(struct members *m, uint32_t pid, uint64_t now)
{
	unsigned int made = atomic_load_explicit(&m->made, memory_order_acquire);

	if (made != m->seen) {
		m->seen = made;
		m->made_nsec = now;
	}
	if (m->wanted && made != m->wanted_at)
		m->wanted = false;
	if (now - m->made_nsec > OLD_NSEC)
		want(m, made);
	if (in_table(&m->tables[made % 2], pid))
		return MEMBERS_YES;
	return judge(m, &m->strangers[pid % STRANGERS], pid, made, now);
}

bool shrink_members_wanted(const struct members *m)
{
	return m->wanted && atomic_load_explicit(&m->made, memory_order_relaxed) == m->wanted_at;
}
