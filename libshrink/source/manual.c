// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * shrink_pressure(): the application says that memory is short. A notice wakes the
 * monitor through an eventfd; level and expiry are read from here, bytes add up
 * until somebody takes them.
 */
#include <errno.h>
#include <stdatomic.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/conf.h>
#include <libshrink/core/core.h>
#include <libshrink/os/clock.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/manual.h>
#include <libshrink/source/source.h>

static _Atomic int notice_level;
static _Atomic uint64_t notice_until;
static _Atomic uint64_t notice_bytes;
static _Atomic int notice_new;
static _Atomic int wake_fd = -1;

int shrink_pressure(enum shrink_level level, uint64_t bytes)
{
	int fd;

	if (level != SHRINK_LEVEL_NORMAL && level != SHRINK_LEVEL_LOW &&
	    level != SHRINK_LEVEL_MEDIUM && level != SHRINK_LEVEL_CRITICAL)
		return -EINVAL;
	if (!shrink_gate_is_open())
		return -ENOTCONN;
	atomic_store_explicit(&notice_until,
			      shrink_os_clock() + SHRINK_TUN(pressure_hold) * NSEC_PER_MSEC,
			      memory_order_relaxed);
	if (level > SHRINK_LEVEL_NORMAL)
		atomic_fetch_add_explicit(&notice_bytes, bytes, memory_order_relaxed);
	else
		atomic_store_explicit(&notice_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&notice_level, (int)level, memory_order_relaxed);
	/* Release: who sees the notice as new sees its level and bytes */
	atomic_store_explicit(&notice_new, 1, memory_order_release);
	fd = atomic_load_explicit(&wake_fd, memory_order_relaxed);
	if (fd >= 0)
		shrink_os_notify(fd);
	return 0;
}

enum shrink_level shrink_manual_level(uint64_t now, uint64_t *ret_until)
{
	enum shrink_level level =
		(enum shrink_level)atomic_load_explicit(&notice_level, memory_order_relaxed);
	uint64_t until = atomic_load_explicit(&notice_until, memory_order_relaxed);

	if (level > SHRINK_LEVEL_NORMAL && now >= until) {
		atomic_store_explicit(&notice_level, SHRINK_LEVEL_NORMAL, memory_order_relaxed);
		level = SHRINK_LEVEL_NORMAL;
	}
	*ret_until = level > SHRINK_LEVEL_NORMAL ? until : UINT64_MAX;
	return level;
}

void shrink_manual_reset(void)
{
	atomic_store(&notice_level, SHRINK_LEVEL_NORMAL);
	atomic_store(&notice_bytes, 0);
	atomic_store(&notice_new, 0);
}

/* Where to start when no bytes are given: between the kernel's mildest and the
 * priority at which it calls itself in trouble (contract 7.1, 7.5). */
static int start_priority(int level)
{
	if (level >= SHRINK_LEVEL_CRITICAL)
		return 2;
	if (level >= SHRINK_LEVEL_MEDIUM)
		return 6;
	return (int)shrink_min_u64(10, SHRINK_TUN(priority));
}

static int take(struct shrink_source *src, uint64_t now, struct shrink_signal *sig)
{
	int level;

	(void)now;
	src->next_sample = UINT64_MAX;
	if (!atomic_exchange_explicit(&notice_new, 0, memory_order_acquire))
		return 0;
	level = atomic_load_explicit(&notice_level, memory_order_relaxed);
	sig->bytes = atomic_exchange_explicit(&notice_bytes, 0, memory_order_relaxed);
	sig->recheck = 1;
	if (level > SHRINK_LEVEL_NORMAL) {
		sig->manual = 1;
		sig->stall = (enum shrink_level)level;
		sig->priority = start_priority(level);
	}
	return 0;
}

static int ready(struct shrink_source *src, int index, uint32_t events, uint64_t now,
		 struct shrink_signal *sig)
{
	(void)events;
	shrink_os_drain(src->fd[index]);
	return take(src, now, sig);
}

static int open_manual(struct shrink_source *src)
{
	int fd = shrink_os_eventfd(0);

	if (fd < 0)
		return shrink_source_fail(src, fd, "no descriptor for its eventfd");
	src->fd[0] = fd;
	src->nr_fds = 1;
	src->next_sample = UINT64_MAX;
	atomic_store(&wake_fd, fd);
	return 0;
}

static void close_manual(struct shrink_source *src)
{
	atomic_store(&wake_fd, -1);
	if (src->nr_fds)
		shrink_os_close(src->fd[0]);
	src->nr_fds = 0;
}

const struct shrink_source_ops shrink_source_manual = {
	.name = "manual",
	.open = open_manual,
	.close = close_manual,
	.ready = ready,
	.sample = take,
};
