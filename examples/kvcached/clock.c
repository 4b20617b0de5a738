/* SPDX-License-Identifier: MIT */
#include "examples/kvcached/clock.h"

#include <time.h>

#define FIRST_SECOND 2
#define IN_THE_PAST  1
#define RELATIVE_MAX (60 * 60 * 24 * 30)

static time_t started;

/* The coarse clock is enough for seconds and costs no system call. */
static time_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec;
}

void clock_init(void)
{
	started = monotonic() - FIRST_SECOND;
}

uint32_t clock_now(void)
{
	return (uint32_t)(monotonic() - started);
}

uint32_t clock_uptime(void)
{
	return clock_now() - FIRST_SECOND;
}

uint32_t clock_expiry(int32_t exptime)
{
	time_t left;

	if (exptime == 0)
		return 0;
	if (exptime < 0)
		return IN_THE_PAST;
	if (exptime <= RELATIVE_MAX)
		return clock_now() + (uint32_t)exptime;
	left = exptime - time(NULL);
	return left > 0 ? clock_now() + (uint32_t)left : IN_THE_PAST;
}
