// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libshrink/os/fd.h>
#include <libshrink/os/module.h>

#include "kernel/shrink_bridge.h"
#include "tests/module-twin.h"

#define PAGE 4096

int __wrap_shrink_os_module_open(void);
void __wrap_shrink_os_module_close(int fd);
int __wrap_shrink_os_module_register(int fd, struct shrink_bridge_register *reg);
void __wrap_shrink_os_module_unregister(int fd, unsigned int index);
struct shrink_bridge_page *__wrap_shrink_os_module_map(int fd, unsigned int index);
void __wrap_shrink_os_module_unmap(struct shrink_bridge_page *page);
int __wrap_shrink_os_module_bind(int fd, unsigned int index, int nid);
int __wrap_shrink_os_module_read(int fd, struct shrink_bridge_request *ret_requests, int max);
int __wrap_shrink_os_module_answer(int fd, const struct shrink_bridge_result *result);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct bridge_session session;
	struct shrink_bridge_register reg[SHRINK_BRIDGE_CACHES];
	uint64_t scans[SHRINK_BRIDGE_CACHES];
	bool bound[SHRINK_BRIDGE_CACHES][SHRINK_BRIDGE_NODES];
	int fd; /* 0: no session */
	pid_t owner;
	int open_err;
	unsigned int quota, registrations, refused;
	bool (*bindable)(int nid);
	void (*on_answer)(const struct twin_answer *answer);
} twin = {.quota = 256};

/* Forked amid a call of another thread's: the child has the lock free. */
static void lock_it(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_it(void)
{
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(lock_it, unlock_it, unlock_it);
}

/* The descriptor is readable while there are requests: held in the eventfd, since epoll
 * waits for it as it would for the device. */
static int wake(void)
{
	return (int)eventfd_write(twin.fd, 1);
}

static void unwake(void)
{
	eventfd_t any;

	if (!atomic_read(&twin.session.ready))
		(void)eventfd_read(twin.fd, &any);
}

/* Lock held. */
static struct bridge_cache *cache_at(unsigned int index)
{
	return index < SHRINK_BRIDGE_CACHES ? twin.session.cache[index] : NULL;
}

static bool is_owner(int fd)
{
	return fd > 0 && fd == twin.fd && getpid() == twin.owner;
}

int __wrap_shrink_os_module_open(void)
{
	int fd;

	if (twin.open_err)
		return twin.open_err;
	fd = shrink_os_fd_own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	pthread_mutex_lock(&lock);
	memset(&twin.session, 0, sizeof(twin.session));
	twin.session.wait.wake = wake;
	twin.fd = fd;
	twin.owner = getpid();
	pthread_mutex_unlock(&lock);
	return fd;
}

/* Lock held. */
static void drop(unsigned int index)
{
	struct bridge_cache *c = twin.session.cache[index];

	if (!c)
		return;
	twin.session.cache[index] = NULL;
	for (int i = 0; i < SHRINK_BRIDGE_NODES; i++)
		if (c->slot[i].readable)
			atomic_dec(&twin.session.ready);
	unwake();
	munmap((void *)(uintptr_t)c->shared, PAGE);
	free(c);
}

void __wrap_shrink_os_module_close(int fd)
{
	if (!is_owner(fd))
		return;
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		drop(i);
	twin.fd = 0;
	pthread_mutex_unlock(&lock);
	shrink_os_close(fd);
}

/* Lock held. As kernel/device.c checks it. */
static int check(const struct shrink_bridge_register *reg)
{
	size_t len = strnlen(reg->name, SHRINK_BRIDGE_NAME_MAX);
	unsigned int used = 0;

	if (!len || len == SHRINK_BRIDGE_NAME_MAX || strpbrk(reg->name, " /\t\n") ||
	    reg->flags & ~(SHRINK_BRIDGE_NUMA | SHRINK_BRIDGE_GROUP))
		return -EINVAL;
	if (reg->seeks > 1024 || reg->batch > SHRINK_BRIDGE_COUNT_MAX ||
	    (reg->batch && reg->batch < SHRINK_BRIDGE_BATCH_MIN))
		return -ERANGE;
	for (unsigned int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		used += twin.session.cache[i] != NULL;
	if (used == SHRINK_BRIDGE_CACHES)
		return -ENOSPC;
	return used >= twin.quota ? -EDQUOT : 0;
}

static int add(struct shrink_bridge_register *reg)
{
	struct bridge_cache *c = calloc(1, sizeof(*c));
	unsigned int index = 0;

	if (!c)
		return -ENOMEM;
	while (twin.session.cache[index])
		index++;
	c->session = &twin.session;
	c->index = index;
	c->flags = reg->flags;
	pthread_mutex_init(&c->lock.mutex, NULL);
	c->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < SHRINK_BRIDGE_NODES; i++)
		c->slot[i].claim = &c->shared->count[i];
	madvise((void *)(uintptr_t)c->shared, PAGE, MADV_DONTFORK);
	reg->ret_index = index;
	twin.session.cache[index] = c;
	twin.reg[index] = *reg;
	twin.scans[index] = 0;
	memset(twin.bound[index], 0, sizeof(twin.bound[index]));
	twin.registrations++;
	return 0;
}

int __wrap_shrink_os_module_register(int fd, struct shrink_bridge_register *reg)
{
	int r;

	if (!is_owner(fd))
		return -EPERM;
	pthread_mutex_lock(&lock);
	r = check(reg);
	if (!r)
		r = add(reg);
	pthread_mutex_unlock(&lock);
	return r;
}

void __wrap_shrink_os_module_unregister(int fd, unsigned int index)
{
	if (!is_owner(fd))
		return;
	pthread_mutex_lock(&lock);
	drop(index);
	pthread_mutex_unlock(&lock);
}

/* The same page as the kernel's: unmapped when the cache is dropped. */
struct shrink_bridge_page *__wrap_shrink_os_module_map(int fd, unsigned int index)
{
	struct bridge_cache *c;

	pthread_mutex_lock(&lock);
	c = is_owner(fd) ? cache_at(index) : NULL;
	pthread_mutex_unlock(&lock);
	errno = ENOENT;
	return c ? (struct shrink_bridge_page *)(uintptr_t)c->shared : NULL;
}

void __wrap_shrink_os_module_unmap(struct shrink_bridge_page *page)
{
	(void)page;
}

int __wrap_shrink_os_module_bind(int fd, unsigned int index, int nid)
{
	struct bridge_cache *c;

	if (twin.bindable && !twin.bindable(nid))
		return -ENOMEM;
	pthread_mutex_lock(&lock);
	c = is_owner(fd) ? cache_at(index) : NULL;
	if (c)
		twin.bound[index][nid] = true;
	pthread_mutex_unlock(&lock);
	return c ? nid : -ENOENT;
}

/* Lock held. */
static bool take(struct shrink_bridge_request *ret)
{
	u64 seq = twin.session.seq + 1, objects;

	for (u32 i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		for (u32 nid = 0; twin.session.cache[i] && nid < SHRINK_BRIDGE_NODES; nid++) {
			struct bridge_cache *c = twin.session.cache[i];

			if (!bridge_slot_take(c, &c->slot[nid], seq, &objects))
				continue;
			twin.session.seq = seq;
			*ret = (struct shrink_bridge_request){seq, objects, i, nid};
			return true;
		}
	return false;
}

int __wrap_shrink_os_module_read(int fd, struct shrink_bridge_request *ret_requests, int max)
{
	int n = 0;

	if (!is_owner(fd))
		return -EPERM;
	pthread_mutex_lock(&lock);
	while (n < max && take(&ret_requests[n]))
		n++;
	unwake();
	pthread_mutex_unlock(&lock);
	return n;
}

int __wrap_shrink_os_module_answer(int fd, const struct shrink_bridge_result *result)
{
	struct bridge_cache *c;
	int r = -ENOENT;

	if (!is_owner(fd))
		return -EPERM;
	pthread_mutex_lock(&lock);
	c = cache_at(result->index);
	if (c && c->slot[result->nid].taken && c->slot[result->nid].seq == result->seq &&
	    twin.on_answer)
		twin.on_answer(&(struct twin_answer){
			.freed = result->freed,
			.claimed = __atomic_load_n(&c->shared->count[result->nid],
						   __ATOMIC_ACQUIRE),
		});
	if (c)
		r = bridge_slot_answer(c, &c->slot[result->nid], result->seq, result->freed);
	twin.refused += r < 0;
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- the kernel's side */

/* Lock held. */
static bool is_asked(int index, int nid)
{
	struct bridge_cache *c = index < 0 ? NULL : cache_at((unsigned int)index);

	return c && (!(c->flags & SHRINK_BRIDGE_GROUP) || twin.bound[index][nid]);
}

static struct bridge_slot *slot_of(struct bridge_cache *c, int *nid)
{
	*nid = c->flags & SHRINK_BRIDGE_NUMA ? *nid : 0;
	return &c->slot[*nid];
}

static uint64_t count(int index, int nid)
{
	struct bridge_slot *slot;
	u64 n, out;

	if (!is_asked(index, nid))
		return 0;
	slot = slot_of(twin.session.cache[index], &nid);
	n = bridge_slot_claimed(slot);
	out = bridge_slot_outstanding(slot);
	return n > out ? n - out : 0;
}

static uint64_t scan(int index, int nid, uint64_t objects)
{
	struct bridge_cache *c;

	if (!is_asked(index, nid))
		return 0;
	c = twin.session.cache[index];
	twin.scans[index]++;
	return bridge_slot_post(c, slot_of(c, &nid), objects);
}

uint64_t twin_count(int index, int nid)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = count(index, nid);
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t twin_scan(int index, int nid, uint64_t objects)
{
	uint64_t freed;

	pthread_mutex_lock(&lock);
	freed = scan(index, nid, objects);
	pthread_mutex_unlock(&lock);
	return freed;
}

uint64_t twin_slab(int nid, int priority)
{
	uint64_t freed = 0;

	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++) {
		uint64_t n = twin_count(i, nid), left, batch = 128;

		if (!n)
			continue;
		left = twin.reg[i].seeks ? (n >> priority) * 4 / twin.reg[i].seeks : n / 2;
		left = min(left, 2 * n);
		batch = twin.reg[i].batch ? twin.reg[i].batch : batch;
		while (left >= batch || left >= n) {
			uint64_t ask = min(batch, left);

			freed += twin_scan(i, nid, ask);
			left -= ask;
			if (!left)
				break;
		}
	}
	return freed;
}

uint64_t twin_page(int index, int nid)
{
	struct bridge_cache *c;
	uint64_t n;

	pthread_mutex_lock(&lock);
	c = index < 0 ? NULL : cache_at((unsigned int)index);
	n = c ? __atomic_load_n(&c->shared->count[nid], __ATOMIC_ACQUIRE) : 0;
	pthread_mutex_unlock(&lock);
	return n;
}

bool twin_stats(int index, struct shrink_bridge_cache_stats *ret_stats)
{
	struct bridge_cache *c;

	pthread_mutex_lock(&lock);
	c = index < 0 ? NULL : cache_at((unsigned int)index);
	if (c) {
		*ret_stats = (struct shrink_bridge_cache_stats){.scans = twin.scans[index]};
		bridge_slot_stats(c, ret_stats);
	}
	pthread_mutex_unlock(&lock);
	return c != NULL;
}

uint64_t twin_outstanding(void)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		for (int nid = 0; twin.session.cache[i] && nid < SHRINK_BRIDGE_NODES; nid++)
			sum += bridge_slot_outstanding(&twin.session.cache[i]->slot[nid]);
	pthread_mutex_unlock(&lock);
	return sum;
}

int twin_find(const char *name, struct shrink_bridge_register *ret_reg)
{
	int found = -1;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < SHRINK_BRIDGE_CACHES && found < 0; i++)
		if (twin.session.cache[i] && !strcmp(twin.reg[i].name, name))
			found = i;
	if (found >= 0 && ret_reg)
		*ret_reg = twin.reg[found];
	pthread_mutex_unlock(&lock);
	return found;
}

unsigned int twin_registered(void)
{
	unsigned int n = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		n += twin.session.cache[i] != NULL;
	pthread_mutex_unlock(&lock);
	return n;
}

unsigned int twin_registrations(void)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = twin.registrations;
	pthread_mutex_unlock(&lock);
	return n;
}

unsigned int twin_refused(void)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = twin.refused;
	pthread_mutex_unlock(&lock);
	return n;
}

bool twin_is_open(void)
{
	return twin.fd > 0;
}

void twin_set_open(int err)
{
	twin.open_err = err;
}

void twin_set_quota(unsigned int caches)
{
	twin.quota = caches;
}

void twin_set_bindable(bool (*fn)(int nid))
{
	twin.bindable = fn;
}

void twin_set_on_answer(void (*fn)(const struct twin_answer *answer))
{
	pthread_mutex_lock(&lock);
	twin.on_answer = fn;
	pthread_mutex_unlock(&lock);
}
