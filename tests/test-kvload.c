// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The load client's parts: what it measures is only worth as much as they are. */
#include <arpa/inet.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tools/kvload/load.h"

#define RANKS 1000
#define DRAWS 1000000

/* Chi-square of a million draws against the exact law; ranks too rare for it are
 * taken together. Six deviations above the mean would be chance once in 10^9. */
static void check_zipf(double s)
{
	static unsigned int seen[RANKS + 1];
	double weight = 0, chi2 = 0, rest_expected = 0, rest_seen = 0;
	unsigned int bins = 0;
	struct zipf zipf;
	struct rng rng;

	memset(seen, 0, sizeof(seen));
	rng_seed(&rng, 7);
	zipf_init(&zipf, RANKS, s);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t rank = zipf_next(&zipf, &rng);

		CU_ASSERT_FATAL(rank >= 1 && rank <= RANKS);
		seen[rank]++;
	}
	for (int k = 1; k <= RANKS; k++)
		weight += pow(k, -s);
	for (int k = 1; k <= RANKS; k++) {
		double expected = DRAWS * pow(k, -s) / weight;

		if (expected < 50) {
			rest_expected += expected;
			rest_seen += seen[k];
			continue;
		}
		chi2 += (seen[k] - expected) * (seen[k] - expected) / expected;
		bins++;
	}
	if (rest_expected > 50) {
		chi2 += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected;
		bins++;
	}
	CU_ASSERT(bins > 5);
	CU_ASSERT(chi2 < bins - 1 + 6 * sqrt(2.0 * (bins - 1)));
}

static void zipf_is_exact(void)
{
	static const double exponents[] = {0, 0.5, 0.9, 0.99, 1, 1.01, 1.5, 2.5};

	for (size_t i = 0; i < sizeof(exponents) / sizeof(*exponents); i++)
		check_zipf(exponents[i]);
}

static void zipf_of_one(void)
{
	struct zipf zipf;
	struct rng rng;

	rng_seed(&rng, 1);
	zipf_init(&zipf, 1, 0.99);
	for (int i = 0; i < 1000; i++)
		ASSERT_INT((long long)zipf_next(&zipf, &rng), 1);
}

static void value_sizes(void)
{
	const struct value_range range = {.min = 64, .max = 65536};
	unsigned int octave[10] = {0};

	for (uint64_t id = 0; id < 100000; id++) {
		uint32_t size = value_size(&range, id);

		CU_ASSERT_FATAL(size >= range.min && size <= range.max);
		octave[31 - __builtin_clz(size) - 6 > 9 ? 9 : 31 - __builtin_clz(size) - 6]++;
	}
	/* log-uniform: each doubling has a tenth of them */
	for (int i = 0; i < 10; i++)
		CU_ASSERT(octave[i] > 9500 && octave[i] < 10500);
}

static void value_detects_any_change(void)
{
	const struct value_range range = {.min = 64, .max = 4096};
	unsigned char *value = malloc(range.max);

	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	for (uint64_t id = 0; id < 200; id++) {
		uint32_t size = value_size(&range, id);

		value_make(&range, id, value);
		CU_ASSERT(value_check(&range, id, value, size));
		CU_ASSERT(!value_check(&range, id + 1, value, size));
		CU_ASSERT(!value_check(&range, id, value, size - 1));
		for (uint32_t bit = 0; bit < size * 8; bit += 13) {
			value[bit / 8] ^= (unsigned char)(1u << bit % 8);
			CU_ASSERT(!value_check(&range, id, value, size));
			value[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
	free(value);
}

static void hist_percentiles(void)
{
	static struct hist hist;
	static struct hist_copy copy, none, since;

	for (uint64_t v = 1; v <= 100000; v++)
		hist_add(&hist, v);
	hist_sum(&copy, &hist);
	ASSERT_INT((long long)copy.total, 100000);
	for (int p = 1; p < 100; p++) {
		double got = (double)hist_percentile(&copy, p / 100.0);

		CU_ASSERT(got >= p * 1000.0 && got <= p * 1000.0 * 1.04);
	}
	ASSERT_INT((long long)hist_take_max(&hist), 100000);
	ASSERT_INT((long long)hist_take_max(&hist), 0);
	hist_since(&since, &copy, &copy);
	ASSERT_INT((long long)since.total, 0);
	ASSERT_INT((long long)hist_percentile(&none, 0.5), 0);
	hist_add(&hist, UINT64_MAX);
	ASSERT_INT((long long)(hist_take_max(&hist) == UINT64_MAX), 1);
}

/*
 * A server of a few keys for one client, that can be told to misbehave: to flip a
 * bit of a value, or to hang up on a request and stay away for a while.
 */
#define SLOTS 8
#define AWAY_USEC 150000

struct bad_server {
	int listener;
	uint64_t gets, flip_every, hang_up_at; /* 0 = never */
	struct {
		char key[KEY_MAX];
		unsigned int flags, size;
		char value[4096];
	} slot[SLOTS];
};

static unsigned int find_slot(struct bad_server *server, const char *key)
{
	unsigned int i;

	for (i = 0; i < SLOTS - 1 && server->slot[i].key[0]; i++)
		if (!strcmp(server->slot[i].key, key))
			break;
	return i;
}

static void serve_set(struct bad_server *server, FILE *in, FILE *out, const char *line)
{
	char key[KEY_MAX];
	unsigned int flags, size, i;

	if (sscanf(line, "set %63s %u 0 %u", key, &flags, &size) != 3 || size > 4096)
		return;
	i = find_slot(server, key);
	memcpy(server->slot[i].key, key, KEY_MAX);
	server->slot[i].flags = flags;
	server->slot[i].size = size;
	if (fread(server->slot[i].value, 1, size, in) == size && fgetc(in) == '\r' &&
	    fgetc(in) == '\n')
		fputs("STORED\r\n", out);
}

static void serve_get(struct bad_server *server, FILE *out, const char *line)
{
	unsigned int i;
	char key[KEY_MAX], bit;

	if (sscanf(line, "get %63s", key) != 1)
		return;
	i = find_slot(server, key);
	if (strcmp(server->slot[i].key, key) != 0) {
		fputs("END\r\n", out);
		return;
	}
	bit = server->flip_every && server->gets % server->flip_every == 0;
	server->slot[i].value[server->slot[i].size / 2] ^= bit;
	fprintf(out, "VALUE %s %u %u\r\n", key, server->slot[i].flags, server->slot[i].size);
	fwrite(server->slot[i].value, 1, server->slot[i].size, out);
	fputs("\r\nEND\r\n", out);
	server->slot[i].value[server->slot[i].size / 2] ^= bit;
}

static void serve_client(struct bad_server *server, int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[256];

	while (fgets(line, sizeof(line), in)) {
		if (!strncmp(line, "get ", 4) && ++server->gets == server->hang_up_at)
			break;
		if (!strncmp(line, "set ", 4))
			serve_set(server, in, out, line);
		else
			serve_get(server, out, line);
		fflush(out);
	}
	fclose(in);
	fclose(out);
}

static void *serve_badly(void *arg)
{
	struct bad_server *server = arg;
	int fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
		serve_client(server, fd);
		if (server->gets == server->hang_up_at)
			usleep(AWAY_USEC);
	}
	return NULL;
}

static const struct load_options one_client = {
	.threads = 1, .conns = 1, .keys = SLOTS, .fill = SLOTS, .exponent = 1, .reads_max = 500,
	.range = {.min = 64, .max = 4096},
};

/* Sets 8 keys and reads 500 times on one connection. */
static void load_bad_server_with(struct bad_server *server, struct load *load,
				 struct load_options options)
{
	socklen_t len = sizeof(options.server);
	pthread_t thread;

	options.server.sin_family = AF_INET;
	options.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_FATAL(!bind(server->listener, (struct sockaddr *)&options.server, len));
	CU_ASSERT_FATAL(!listen(server->listener, 4));
	CU_ASSERT_FATAL(!getsockname(server->listener, (struct sockaddr *)&options.server, &len));
	CU_ASSERT_FATAL(!pthread_create(&thread, NULL, serve_badly, server));
	ASSERT_INT(load_start(load, &options), 0);
	for (int i = 0; i < 1000 && load->fill_done < SLOTS; i++)
		usleep(10000);
	load->phase = LOAD_READ;
	for (int i = 0; i < 1000 && load->reads < options.reads_max; i++)
		usleep(10000);
	load_stop(load);
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(server->listener);
	ASSERT_INT((long long)load->fill_done, SLOTS);
	ASSERT_INT((long long)load->counters.gets, (long long)options.reads_max);
	ASSERT_INT((long long)load->counters.unanswered, 0);
	ASSERT_INT((long long)load->counters.garbled, 0);
}

static void load_bad_server(struct bad_server *server, struct load *load)
{
	load_bad_server_with(server, load, one_client);
}

static void load_counts_bad_values(void)
{
	static struct bad_server server = {.flip_every = 10};
	static struct load load;

	load_bad_server(&server, &load);
	ASSERT_INT((long long)load.counters.hits, 500);
	ASSERT_INT((long long)load.counters.bad, 50);
	ASSERT_INT((long long)load.counters.lost, 0);
}

static void load_waits_through_a_restart(void)
{
	static struct bad_server server = {.hang_up_at = 100};
	static struct load load;

	load_bad_server(&server, &load);
	ASSERT_INT((long long)load.counters.hits, 500);
	ASSERT_INT((long long)load.counters.bad, 0);
	ASSERT_INT((long long)load.counters.lost, 1);
	CU_ASSERT(hist_take_max(&load.counters.pause_nsec) >= AWAY_USEC * 900ull);
}

/* Pauses longer than @nsec. */
static uint64_t longer(struct load *load, uint64_t nsec)
{
	static struct hist_copy all;
	uint64_t n = 0;

	memset(&all, 0, sizeof(all));
	hist_sum(&all, &load->counters.pause_nsec);
	for (double part = 0; part < 1; part += 1.0 / 1024)
		n += hist_percentile(&all, part) > nsec;
	return n * all.total / 1024;
}

/* The server is away for 150 ms, in which 300 reads are due: each of the first two
 * thirds waits longer than 50 ms. The closed loop sees one that waits: that is how a
 * client hides what its server does. */
static void open_loop_counts_all_who_wait(void)
{
	static struct bad_server server = {.hang_up_at = 100}, closed_server = {.hang_up_at = 100};
	static struct load load, closed;
	static struct hist_copy all;
	struct load_options options = one_client;

	options.open_rate = 2000;
	options.reads_max = 1000;
	load_bad_server_with(&server, &load, options);
	CU_ASSERT(longer(&load, 50000000) > 100);
	/* of reads alone: the fill is not among them */
	memset(&all, 0, sizeof(all));
	hist_sum(&all, &load.counters.pause_nsec);
	ASSERT_INT((long long)all.total, 1000);
	CU_ASSERT(load.counters.late > 100);
	options.open_rate = 0;
	load_bad_server_with(&closed_server, &closed, options);
	CU_ASSERT(longer(&closed, 50000000) < longer(&load, 50000000) / 2);
	ASSERT_INT((long long)closed.counters.late, 0);
}

/* What comes is decided by the seed, not by the answers. */
static void open_loop_keeps_its_rate(void)
{
	static struct bad_server server;
	static struct load load;
	struct load_options options = one_client;
	uint64_t begin = now_nsec();

	options.open_rate = 1000;
	load_bad_server_with(&server, &load, options);
	/* 500 gaps of 1 ms: 500 ms, with a deviation of 22 */
	CU_ASSERT(now_nsec() - begin > 380000000);
}

static void scan_asks_for_new_keys(void)
{
	static struct bad_server server;
	static struct load load;
	struct load_options options = one_client;

	options.scan = 50;
	options.prefix = "tenant:";
	load_bad_server_with(&server, &load, options);
	CU_ASSERT(load.counters.scans > 150 && load.counters.scans < 350);
	ASSERT_INT((long long)load.scan_next, (long long)load.counters.scans);
	ASSERT_INT(strncmp(server.slot[0].key, "tenant:kv:", 10), 0);
}

static void hist_is_written(void)
{
	static struct hist hist;
	static struct hist_copy copy;
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (uint64_t v = 1; v <= 1000; v++)
		hist_add(&hist, v * 1000000);
	hist_sum(&copy, &hist);
	hist_write(&copy, 1e6, f);
	fclose(f);
	CU_ASSERT(strstr(text, "Value     Percentile TotalCount 1/(1-Percentile)") != NULL);
	CU_ASSERT(strstr(text, " 1.000000000000       1000            inf\n") != NULL);
	CU_ASSERT(strstr(text, "#[Total count = 1000]") != NULL);
	free(text);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"Zipf ranks follow the exact law", zipf_is_exact},
		{"Zipf of a single rank", zipf_of_one},
		{"value sizes are log-uniform", value_sizes},
		{"a changed bit, key or size of a value is noticed", value_detects_any_change},
		{"histogram percentiles within a bucket", hist_percentiles},
		{"a server that alters values is found out", load_counts_bad_values},
		{"a pause lasts until the restarted server answers", load_waits_through_a_restart},
		{"an open loop counts all who wait", open_loop_counts_all_who_wait},
		{"an open loop keeps its rate", open_loop_keeps_its_rate},
		{"a scan asks for keys nobody asked for", scan_asks_for_new_keys},
		{"a histogram is written", hist_is_written},
		{NULL, NULL},
	};

	return test_main(argc, argv, "kvload", tests);
}
