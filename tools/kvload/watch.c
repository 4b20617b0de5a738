// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tools/kvload/watch.h"

#define TEXT_MAX 16384
#define PATIENCE_USEC 250000

void watch_init(struct watch *watch, const struct watch_options *options)
{
	watch->options = *options;
	watch->fd = -1;
}

void watch_close(struct watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
}

/* The number after @key at the start of a line; -1. */
static int64_t field(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && (line[len] == ' ' || line[len] == ':'))
			return strtoll(line + len + 1, NULL, 10);
	}
	return -1;
}

static const char *read_text(const char *dir, const char *name, char text[TEXT_MAX])
{
	char path[4096];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, TEXT_MAX - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? text : NULL;
}

static int64_t read_number(const char *dir, const char *name)
{
	char text[TEXT_MAX];

	return read_text(dir, name, text) ? strtoll(text, NULL, 10) : -1;
}

static int64_t read_field(const char *dir, const char *name, const char *key)
{
	char text[TEXT_MAX];

	return read_text(dir, name, text) ? field(text, key) : -1;
}

static int64_t read_rss(pid_t pid)
{
	char path[64], text[TEXT_MAX];
	int64_t anon, shmem;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!read_text(path, "", text))
		return -1;
	anon = field(text, "RssAnon");
	shmem = field(text, "RssShmem");
	return anon < 0 || shmem < 0 ? -1 : (anon + shmem) * 1024;
}

static void read_group(const char *dir, struct watch_figures *figures)
{
	figures->usage = read_number(dir, "memory.usage_in_bytes");
	if (figures->usage >= 0) {
		figures->limit = read_number(dir, "memory.limit_in_bytes");
		figures->limit_hits = read_number(dir, "memory.failcnt");
		figures->oom_kills = read_field(dir, "memory.oom_control", "oom_kill");
		return;
	}
	figures->usage = read_number(dir, "memory.current");
	figures->limit = read_number(dir, "memory.max");
	figures->limit_hits = read_field(dir, "memory.events", "max");
	figures->oom_kills = read_field(dir, "memory.events", "oom_kill");
}

static int64_t read_psi(const char *path)
{
	char text[TEXT_MAX];
	const char *total = NULL;

	if (read_text(path, "", text))
		total = strstr(text, "total=");
	return total ? strtoll(total + 6, NULL, 10) : -1;
}

static int server_connect(const struct sockaddr_in *server)
{
	struct timeval patience = {.tv_usec = PATIENCE_USEC};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd >= 0 && connect(fd, (const struct sockaddr *)server, sizeof(*server)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int ends_with_end(const char *text, size_t len)
{
	return len >= 5 && !memcmp(text + len - 5, "END\r\n", 5);
}

/* One "stats" answer, its STAT words taken off. A server that does not answer in
 * time is left and tried again with the next look. */
static const char *server_stats(struct watch *watch, const char *command, char text[TEXT_MAX])
{
	size_t len = 0;
	ssize_t n;

	if (watch->fd < 0)
		watch->fd = server_connect(&watch->options.server);
	if (watch->fd < 0 || send(watch->fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		goto down;
	while (!ends_with_end(text, len)) {
		n = recv(watch->fd, text + len, TEXT_MAX - 1 - len, 0);
		if (n <= 0)
			goto down;
		len += (size_t)n;
		if (len >= 7 && !memcmp(text, "ERROR\r\n", 7))
			return NULL;
	}
	text[len] = '\0';
	for (char *stat = text; (stat = strstr(stat, "STAT ")); stat += 5)
		memcpy(stat, "\n\n\n\n\n", 5);
	return text;
down:
	watch_close(watch);
	return NULL;
}

static void read_server(struct watch *watch, struct watch_figures *figures)
{
	char text[TEXT_MAX];

	if (server_stats(watch, "stats\r\n", text)) {
		figures->items = field(text, "curr_items");
		figures->bytes = field(text, "bytes");
	}
	if (watch->fd >= 0 && server_stats(watch, "stats shrink\r\n", text)) {
		figures->freed = field(text, "freed_bytes");
		figures->returned = field(text, "returned_bytes");
		figures->level = field(text, "level");
	}
}

void watch_read(struct watch *watch, struct watch_figures *ret_figures)
{
	const struct watch_options *options = &watch->options;

	memset(ret_figures, 0xff, sizeof(*ret_figures)); /* all -1 */
	read_server(watch, ret_figures);
	if (options->group) {
		read_group(options->group, ret_figures);
	} else if (options->rss_of) {
		ret_figures->usage = read_rss(options->rss_of);
		ret_figures->limit = options->budget;
	}
	if (options->psi)
		ret_figures->psi_some_usec = read_psi(options->psi);
}
