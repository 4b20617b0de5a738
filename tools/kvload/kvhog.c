// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * kvhog - the neighbour: takes memory at full speed, holds it, gives it back.
 *
 * A program of its own and not a fork of the cache's process, whose pages a
 * forked child would keep charged. The first to go where the kernel has to kill
 * (oom_score_adj 1000). It says what it did only after it is done taking, since
 * writing would slow it: one flat JSON object a line, CLOCK_MONOTONIC times.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tools/number.h"

#define NSEC	       1000000000ull
#define STEPS	       32
#define PAGE	       4096u
#define CHUNK	       (64u * 1024)
#define STEP_REST_NSEC (NSEC / 20)
#define CHURN_SYNC     (1u << 20)
#define CHURN_MAX      (4ull << 30)

enum pattern { PATTERN_RAMP, PATTERN_STEPS, PATTERN_SAW, PATTERN_CHURN };

struct hog {
	uint64_t bytes, hold_msec, rate;
	enum pattern pattern;
	uint64_t times; /* steps or teeth */
	const char *churn_file;
	const char *group;	/* joined before anything is taken */
	const char *usage_file; /* looked at after every chunk ... */
	uint64_t cross_bytes;	/* ... for the moment it reaches this */
	uint64_t begin_nsec, cross_nsec, full_nsec;
	uint64_t step_nsec[STEPS];
	uint64_t pause_max_nsec; /* longest chunk: the kernel's own reclaim, or waiting */
};

static const char usage_text[] =
	"usage: kvhog -b BYTES [options]\n"
	"  -b, --bytes N       how much to take\n"
	"  -H, --hold MSEC     before it is given back, default 1000\n"
	"  -g, --group DIR     memory group to join; it must have a limit\n"
	"  -r, --rate BYTES    a second, default 0 = full speed\n"
	"  -u, --usage FILE    usage of the group, read after every 64 KiB\n"
	"  -x, --cross BYTES   report when it reached this\n"
	"  -p, --pattern P     ramp (default); steps:N, a pause of 50 ms after each Nth\n"
	"                      part; saw:N, taken and given back N times; churn:FILE, no\n"
	"                      memory of its own but page cache: writes the file, then\n"
	"                      reads it over and over for --hold MSEC\n"
	"  -h, --help\n";

static const struct option long_options[] = {
	{"bytes", 1, NULL, 'b'}, {"hold", 1, NULL, 'H'},    {"group", 1, NULL, 'g'},
	{"rate", 1, NULL, 'r'},	 {"usage", 1, NULL, 'u'},   {"cross", 1, NULL, 'x'},
	{"help", 0, NULL, 'h'},	 {"pattern", 1, NULL, 'p'}, {NULL, 0, NULL, 0},
};

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "kvhog: %s: %s\n", what, detail);
	exit(2);
}

static uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC + (uint64_t)now.tv_nsec;
}

static void sleep_nsec(uint64_t nsec)
{
	struct timespec nap = {.tv_sec = (time_t)(nsec / NSEC), .tv_nsec = (long)(nsec % NSEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, &nap) == EINTR)
		;
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	if (!number_parse(text, 10, 0, UINT64_MAX, &value))
		die("not a number", text);
	return value;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path, strerror(errno));
	close(fd);
}

/* The number in a file of one number, or after @key; UINT64_MAX: none ("max"). */
static uint64_t read_number(const char *dir, const char *name, const char *key)
{
	char path[4096], text[4096];
	uint64_t value = UINT64_MAX;
	const char *at = text;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return UINT64_MAX;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	if (key)
		at = strstr(text, key);
	if (at)
		sscanf(at + (key ? strlen(key) : 0), "%" SCNu64, &value);
	return value;
}

/* Taking without bounds could hurt the machine: inside the group the limit holds
 * us, outside what is free does. */
static void check_safe(const struct hog *hog)
{
	uint64_t available = read_number("/proc", "meminfo", "MemAvailable:");

	if (available == UINT64_MAX || available * 1024 / 2 < hog->bytes)
		die("refused", "more than half of what the machine has available");
	if (read_number("/proc/sys/vm", "panic_on_oom", NULL) == 2)
		die("refused", "vm.panic_on_oom is 2");
	if (!hog->group)
		return;
	/* an unlimited v1 group says a number near 2^63 */
	if (read_number(hog->group, "memory.limit_in_bytes", NULL) >> 50 &&
	    read_number(hog->group, "memory.max", NULL) == UINT64_MAX)
		die("refused, no limit on", hog->group);
}

static void note_crossing(struct hog *hog, int usage_fd)
{
	char text[32];
	ssize_t n;

	if (usage_fd < 0 || hog->cross_nsec)
		return;
	n = pread(usage_fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (strtoull(text, NULL, 10) >= hog->cross_bytes)
		hog->cross_nsec = now_nsec();
}

/* Sleeps until as much is due at the rate that was asked for. */
static void keep_pace(const struct hog *hog, uint64_t done)
{
	uint64_t due, now = now_nsec();

	if (!hog->rate)
		return;
	due = hog->begin_nsec + (uint64_t)((double)done / (double)hog->rate * (double)NSEC);
	if (due > now)
		sleep_nsec(due - now);
}

/* After each step, of a hog that takes them. */
static void rest(struct hog *hog, uint64_t done, uint64_t chunk)
{
	uint64_t step = hog->bytes / hog->times;

	if (hog->pattern == PATTERN_STEPS && done / step != (done + chunk) / step) {
		sleep_nsec(STEP_REST_NSEC);
		hog->begin_nsec += STEP_REST_NSEC;
	}
}

static void take(struct hog *hog, volatile char *memory, int usage_fd)
{
	const uint64_t chunk = CHUNK;
	unsigned int step = 0;

	hog->begin_nsec = now_nsec();
	for (uint64_t done = 0; done < hog->bytes; done += chunk) {
		uint64_t start = now_nsec(), took;

		for (uint64_t at = done; at < done + chunk && at < hog->bytes; at += PAGE)
			memory[at] = 1;
		took = now_nsec() - start;
		if (took > hog->pause_max_nsec)
			hog->pause_max_nsec = took;
		note_crossing(hog, usage_fd);
		while (step < STEPS && done + chunk >= hog->bytes / STEPS * (step + 1))
			hog->step_nsec[step++] = now_nsec();
		keep_pace(hog, done + chunk);
		rest(hog, done, chunk);
	}
	hog->full_nsec = now_nsec();
}

static void report_taken(const struct hog *hog)
{
	for (unsigned int i = 0; i < STEPS; i++)
		printf("{\"event\":\"step\",\"nsec\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
		       hog->step_nsec[i], hog->bytes / STEPS * (i + 1));
	if (hog->cross_nsec)
		printf("{\"event\":\"cross\",\"nsec\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
		       hog->cross_nsec, hog->cross_bytes);
	printf("{\"event\":\"full\",\"nsec\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"pause_max_usec\":%" PRIu64 ",\"mbytes_per_sec\":%.0f}\n",
	       hog->full_nsec, hog->bytes, hog->pause_max_nsec / 1000,
	       (double)hog->bytes / 1e6 / ((double)(hog->full_nsec - hog->begin_nsec) / 1e9));
}

/* Memory is taken and given back again and again; the last time it stays. */
static void take_saw(struct hog *hog, char *memory, int usage_fd)
{
	uint64_t begin = now_nsec();

	for (uint64_t i = 0; i < hog->times; i++) {
		if (i)
			madvise(memory, hog->bytes, MADV_DONTNEED);
		take(hog, memory, usage_fd);
	}
	hog->begin_nsec = begin;
}

/* Page cache only: nothing that presses anybody who has no page cache. */
static void churn(const struct hog *hog)
{
	static char buf[CHUNK];
	uint64_t end, done = 0;
	ssize_t n = 1;
	int fd = open(hog->churn_file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		die(hog->churn_file, strerror(errno));
	unlink(hog->churn_file);
	/* what is not written out yet cannot be dropped, and would press */
	while (n > 0 && done < hog->bytes) {
		n = write(fd, buf, sizeof(buf));
		done += CHUNK;
		if (done % CHURN_SYNC == 0) {
			fdatasync(fd);
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		}
	}
	if (n < 0)
		die(hog->churn_file, strerror(errno));
	end = now_nsec() + hog->hold_msec * 1000000;
	for (done = 0; now_nsec() < end; done += (uint64_t)n) {
		n = read(fd, buf, sizeof(buf));
		if (n < 0)
			die(hog->churn_file, strerror(errno));
		if (!n)
			lseek(fd, 0, SEEK_SET);
	}
	close(fd);
	printf("{\"event\":\"churned\",\"nsec\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n", now_nsec(),
	       done);
}

static void parse_pattern(struct hog *hog, const char *text)
{
	if (!strcmp(text, "ramp")) {
		hog->pattern = PATTERN_RAMP;
	} else if (!strncmp(text, "steps:", 6) || !strncmp(text, "saw:", 4)) {
		hog->pattern = text[1] == 't' ? PATTERN_STEPS : PATTERN_SAW;
		hog->times = number(strchr(text, ':') + 1);
	} else if (!strncmp(text, "churn:/", 7)) {
		hog->pattern = PATTERN_CHURN;
		hog->churn_file = text + 6;
	} else {
		die("no such pattern", text);
	}
	if (!hog->times || hog->times > 10000)
		die("1 to 10000 times, not", text);
}

static void parse_options(int argc, char **argv, struct hog *hog)
{
	int option;

	while ((option = getopt_long(argc, argv, "b:H:g:r:u:x:p:h", long_options, NULL)) != -1) {
		switch (option) {
		case 'b':
			hog->bytes = number(optarg);
			break;
		case 'H':
			hog->hold_msec = number(optarg);
			break;
		case 'g':
			hog->group = optarg;
			break;
		case 'r':
			hog->rate = number(optarg);
			break;
		case 'u':
			hog->usage_file = optarg;
			break;
		case 'x':
			hog->cross_bytes = number(optarg);
			break;
		case 'p':
			parse_pattern(hog, optarg);
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			fputs(usage_text, stderr);
			exit(2);
		}
	}
	if (optind < argc || !hog->bytes ||
	    (hog->pattern == PATTERN_CHURN && hog->bytes > CHURN_MAX)) {
		fputs(usage_text, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct hog hog = {.hold_msec = 1000, .times = 1};
	int usage_fd = -1;
	char *memory;

	parse_options(argc, argv, &hog);
	setvbuf(stdout, NULL, _IOLBF, 0);
	check_safe(&hog);
	write_file("/proc/self", "oom_score_adj", "1000");
	if (hog.group)
		write_file(hog.group, "cgroup.procs", "0");
	if (hog.usage_file && (usage_fd = open(hog.usage_file, O_RDONLY | O_CLOEXEC)) < 0)
		die(hog.usage_file, strerror(errno));
	if (hog.pattern == PATTERN_CHURN) {
		churn(&hog);
		return 0;
	}
	memory = mmap(NULL, hog.bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap", strerror(errno));
	printf("{\"event\":\"start\",\"nsec\":%" PRIu64 ",\"bytes\":0}\n", now_nsec());
	if (hog.pattern == PATTERN_SAW)
		take_saw(&hog, memory, usage_fd);
	else
		take(&hog, memory, usage_fd);
	report_taken(&hog);
	sleep_nsec(hog.hold_msec * 1000000);
	munmap(memory, hog.bytes);
	printf("{\"event\":\"released\",\"nsec\":%" PRIu64 ",\"bytes\":0}\n", now_nsec());
	return 0;
}
