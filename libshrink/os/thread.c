// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <libshrink/base/bits.h>
#include <libshrink/os/thread.h>

/* Callbacks run on it: as roomy as the usual default, whatever RLIMIT_STACK is. */
#define STACK_SIZE (1UL << 20)
#define STACK_WARM (64UL << 10)
/* The shortest slice the kernel lets a thread ask for. */
#define PROMPT_SLICE_NSEC 100000

/* Affinity is inherited and cannot be undone through attributes without naming
 * the processors; all of them, less what the cpuset forbids, is what the kernel
 * makes of a full mask. */
static void all_processors(pthread_attr_t *attr)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	pthread_attr_setaffinity_np(attr, sizeof(all), &all);
}

static int create(pthread_t *ret_thread, int affinity, void *(*fn)(void *), void *arg)
{
	struct sched_param param = {0};
	pthread_attr_t attr;
	int r;

	r = pthread_attr_init(&attr);
	if (r)
		return -r;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	if (affinity)
		all_processors(&attr);
	r = pthread_create(ret_thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -r;
}

int shrink_os_thread_create(pthread_t *ret_thread, const char *name, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = create(ret_thread, 1, fn, arg);
	if (r == -EINVAL || r == -EPERM) /* a seccomp filter may refuse the mask */
		r = create(ret_thread, 0, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!r)
		pthread_setname_np(*ret_thread, name);
	return r;
}

__attribute__((noinline)) void shrink_os_thread_warm_stack(void)
{
	volatile char stack[STACK_WARM];

	for (size_t i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 0;
}

/* struct sched_attr as the kernel first published it; libcs have it late or never. */
struct attr_v0 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

void shrink_os_thread_be_prompt(void)
{
	struct attr_v0 attr = {.size = sizeof(attr)};

#ifdef SYS_sched_getattr
	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) || attr.policy != SCHED_OTHER)
		return;
	attr.flags = 0;
	attr.runtime = PROMPT_SLICE_NSEC;
	syscall(SYS_sched_setattr, 0, &attr, 0);
#else
	(void)attr;
#endif
}

void shrink_os_sigmask_get(sigset_t *ret_mask)
{
	pthread_sigmask(SIG_SETMASK, NULL, ret_mask);
}

void shrink_os_sigmask_set(const sigset_t *mask)
{
	pthread_sigmask(SIG_SETMASK, mask, NULL);
}

int shrink_os_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int r;

	r = pthread_condattr_init(&attr);
	if (r)
		return -r;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -r;
}

void shrink_os_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t usec)
{
	struct timespec until;
	uint64_t nsec;

	if (usec == UINT64_MAX) {
		pthread_cond_wait(cond, lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	nsec = (uint64_t)until.tv_nsec + usec % 1000000 * NSEC_PER_USEC;
	until.tv_sec += (time_t)(usec / 1000000 + nsec / NSEC_PER_SEC);
	until.tv_nsec = (long)(nsec % NSEC_PER_SEC);
	/* names its clock: also for one that is statically initialised */
	pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &until);
}
