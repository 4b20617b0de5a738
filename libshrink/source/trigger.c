// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/base/bits.h>
#include <libshrink/base/parse.h>
#include <libshrink/os/fd.h>
#include <libshrink/source/trigger.h>

/* Windows anybody may use are multiples of this. */
#define FREE_WINDOW_USEC 2000000ULL
/* The shortest with privilege, before 6.5. */
#define OLD_WINDOW_USEC 500000ULL
/* The kernel looks at no more of what is written. */
#define KERNEL_TEXT 32

static bool ends_here(const char *p)
{
	return !*p || strchr(" \t\n;", *p);
}

static bool word(const char **text, const char *w)
{
	const char *p = *text + strspn(*text, " \t\n");
	size_t len = strlen(w);

	if (strncmp(p, w, len) || !ends_here(p + len))
		return false;
	*text = p + len;
	return true;
}

static int number(const char **text, uint64_t *ret_value)
{
	int r;

	*text += strspn(*text, " \t\n");
	r = shrink_parse_u64(text, ret_value);
	return r < 0 ? r : ends_here(*text) ? 0 : -EINVAL;
}

int shrink_trigger_parse(const char **text, struct shrink_trigger *ret_trigger)
{
	struct shrink_trigger t = {.level = SHRINK_LEVEL_LOW};
	const char *p = *text;

	if (word(&p, "full"))
		t.full = true;
	else if (!word(&p, "some"))
		return -EINVAL;
	if (number(&p, &t.stall) < 0 || number(&p, &t.window) < 0 || !t.stall ||
	    t.stall > t.window || t.window > SHRINK_TRIGGER_WINDOW_MAX)
		return -EINVAL;
	*text = p;
	*ret_trigger = t;
	return 0;
}

static int with_level(const char **text, struct shrink_trigger *ret_trigger)
{
	int r = shrink_trigger_parse(text, ret_trigger);

	if (r < 0)
		return r;
	if (word(text, "low"))
		ret_trigger->level = SHRINK_LEVEL_LOW;
	else if (word(text, "medium"))
		ret_trigger->level = SHRINK_LEVEL_MEDIUM;
	else if (word(text, "critical"))
		ret_trigger->level = SHRINK_LEVEL_CRITICAL;
	else
		return -EINVAL;
	*text += strspn(*text, " \t\n");
	return **text && **text != ';' ? -EINVAL : 0;
}

int shrink_triggers_parse(const char *text, struct shrink_trigger ret[SHRINK_TRIGGERS_MAX])
{
	struct shrink_trigger list[SHRINK_TRIGGERS_MAX], t;
	int n = 0;

	while (*(text += strspn(text, " \t\n;"))) {
		int r = with_level(&text, &t);

		if (r < 0)
			return r;
		if (n == SHRINK_TRIGGERS_MAX)
			return -ENOSPC;
		list[n++] = t;
	}
	memcpy(ret, list, (size_t)n * sizeof(list[0]));
	return n;
}

int shrink_triggers_default(uint64_t stall, uint64_t window,
			    struct shrink_trigger ret[SHRINK_TRIGGERS_MAX])
{
	int n = 0;

	stall = shrink_min_u64(stall, window);
	ret[n++] = (struct shrink_trigger){false, stall, window, SHRINK_LEVEL_LOW};
	if (2 * stall <= window)
		ret[n++] = (struct shrink_trigger){false, 2 * stall, window, SHRINK_LEVEL_MEDIUM};
	ret[n++] = (struct shrink_trigger){
		true, shrink_min_u64(4 * stall, window - window / 4), window,
		SHRINK_LEVEL_CRITICAL};
	return n;
}

static int try(const char *path, const struct shrink_trigger *t)
{
	int fd = shrink_os_open(path, O_RDWR | O_NONBLOCK), n, r;
	char text[KERNEL_TEXT];

	if (fd < 0)
		return fd;
	n = snprintf(text, sizeof(text), "%s %llu %llu", t->full ? "full" : "some",
		     (unsigned long long)t->stall, (unsigned long long)t->window);
	r = shrink_os_write(fd, text, (size_t)n + 1);
	if (r >= 0)
		return fd;
	shrink_os_close(fd);
	return r;
}

/* The same share of another window. */
static struct shrink_trigger with_window(const struct shrink_trigger *t, uint64_t window)
{
	struct shrink_trigger other = *t;

	other.window = window;
	other.stall = shrink_max_u64(shrink_mul_div(t->stall, window, t->window), 1);
	return other;
}

int shrink_trigger_set(const char *path, const struct shrink_trigger *trigger,
		       struct shrink_trigger *ret_set)
{
	uint64_t multiple =
		(trigger->window + FREE_WINDOW_USEC - 1) / FREE_WINDOW_USEC * FREE_WINDOW_USEC;
	const uint64_t windows[] = {
		trigger->window, shrink_max_u64(trigger->window, OLD_WINDOW_USEC),
		shrink_min_u64(multiple, SHRINK_TRIGGER_WINDOW_MAX)};
	uint64_t tried = 0;
	int fd = -EINVAL;

	for (size_t i = 0; i < SHRINK_ARRAY_SIZE(windows) && fd == -EINVAL; i++) {
		struct shrink_trigger t = with_window(trigger, windows[i]);

		if (t.window == tried)
			continue;
		tried = t.window;
		fd = try(path, &t);
		if (fd >= 0 && ret_set)
			*ret_set = t;
	}
	return fd;
}
