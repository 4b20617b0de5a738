// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The format files of tracepoints, whole, cut off, moved about and broken. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libshrink/bridge/trace-format.h>

#include "tests/harness.h"
#include "tests/random.h"

/* As 6.18 has it. */
static const char start_618[] =
	"name: mm_shrink_slab_start\n"
	"ID: 631\n"
	"format:\n"
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
	"\n"
	"\tfield:struct shrinker * shr;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:void * shrink;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:int nid;\toffset:24;\tsize:4;\tsigned:1;\n"
	"\tfield:long nr_objects_to_shrink;\toffset:32;\tsize:8;\tsigned:1;\n"
	"\tfield:unsigned long gfp_flags;\toffset:40;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long cache_items;\toffset:48;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long long delta;\toffset:56;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long total_scan;\toffset:64;\tsize:8;\tsigned:0;\n"
	"\tfield:int priority;\toffset:72;\tsize:4;\tsigned:1;\n"
	"\n"
	"print fmt: \"%pS %p: nid: %d\", REC->shrink, REC->shr, REC->nid\n";

/* Another kernel's: narrower, elsewhere, in another order; an array, a string. */
static const char other[] =
	"name: other\n"
	"ID: 7\n"
	"format:\n"
	"\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:1;\n"
	"\tfield:__data_loc char[] name;\toffset:24;\tsize:4;\tsigned:1;\n"
	"\tfield:short a_nid;\toffset:28;\tsize:2;\tsigned:1;\n"
	"\tfield:short nid;\toffset:30;\tsize:2;\tsigned:1;\n"
	"\tfield:u8 priority;\toffset:32;\tsize:1;\tsigned:0;\n"
	"\tfield:struct three three;\toffset:33;\tsize:3;\tsigned:0;\n"
	"\tfield:unsigned int pair[2];\toffset:36;\tsize:8;\tsigned:0;\n"
	"\tfield:long far;\toffset:65536;\tsize:8;\tsigned:1;\n"
	"\tfield:long beyond;\toffset:65537;\tsize:8;\tsigned:1;\n"
	"\tfield:long negative;\toffset:-8;\tsize:8;\tsigned:1;\n"
	"\tfield:long sense;\toffset:8;\tsize:8;\tsigned:2;\n"
	"\tfield:long half;\toffset:8;\n";

static void is_at(const char *text, const char *name, uint32_t offset, uint32_t size, int is_signed)
{
	struct shrink_trace_field f = {0};

	ASSERT_INT(shrink_trace_find(text, name, &f), 0);
	ASSERT_INT(f.offset, offset);
	ASSERT_INT(f.size, size);
	ASSERT_INT(f.is_signed, is_signed);
}

static void is_not(const char *text, const char *name, int err)
{
	struct shrink_trace_field f = {1, 2, 3};

	ASSERT_INT(shrink_trace_find(text, name, &f), err);
	CU_ASSERT(f.offset == 1 && f.size == 2 && f.is_signed == 3);
}

static void test_fields(void)
{
	uint64_t id = 0;

	ASSERT_INT(shrink_trace_id(start_618, &id), 0);
	ASSERT_INT(id, 631);
	is_at(start_618, "shr", 8, 8, 0);
	is_at(start_618, "shrink", 16, 8, 0); /* and not nr_objects_to_shrink */
	is_at(start_618, "nid", 24, 4, 1);
	is_at(start_618, "nr_objects_to_shrink", 32, 8, 1);
	is_at(start_618, "delta", 56, 8, 0);
	is_at(start_618, "priority", 72, 4, 1);
	is_at(other, "nid", 30, 2, 1); /* and not a_nid */
	is_at(other, "priority", 32, 1, 0);
}

static void test_refused(void)
{
	uint64_t id = 99;

	is_not(start_618, "pgs_scanned", -ENOENT);
	is_not(start_618, "objects_to_shrink", -ENOENT);
	is_not(start_618, "int", -ENOENT);
	is_not(start_618, "", -ENOENT);
	is_not("", "nid", -ENOENT);
	is_not(other, "comm", -EDOM);
	is_not(other, "name", -EDOM);
	is_not(other, "three", -EDOM);
	is_not(other, "pair", -EDOM);
	is_not(other, "far", -EINVAL);
	is_not(other, "beyond", -EINVAL);
	is_not(other, "negative", -EINVAL);
	is_not(other, "sense", -EINVAL);
	is_not(other, "half", -EINVAL);
	ASSERT_INT(shrink_trace_id("", &id), -EINVAL);
	ASSERT_INT(shrink_trace_id("name: x\nformat:\n", &id), -EINVAL);
	ASSERT_INT(shrink_trace_id("ID: many\n", &id), -EINVAL);
	ASSERT_INT(shrink_trace_id("ID: 6", &id), -EINVAL); /* 63? 631? */
	ASSERT_INT(shrink_trace_id("ID: 4294967296\n", &id), -EINVAL);
	ASSERT_INT(id, 99);
}

static void value_is(const char *text, const char *name, const void *record, size_t size,
		     int64_t expected)
{
	struct shrink_trace_field f;
	int64_t v = -77;

	ASSERT_INT(shrink_trace_find(text, name, &f), 0);
	ASSERT_INT(shrink_trace_value(&f, record, size, &v), 0);
	ASSERT_INT(v, expected);
	/* one byte less than it needs */
	v = -77;
	ASSERT_INT(shrink_trace_value(&f, record, f.offset + f.size - 1, &v), -ERANGE);
	ASSERT_INT(v, -77);
}

static void test_values(void)
{
	char record[76] = {0}, narrow[40] = {0};
	const int priority = 12, minus = -1;
	const long backlog = LONG_MIN;
	const uint64_t delta = UINT64_MAX;
	const int16_t nid = -2;

	memcpy(record + 72, &priority, 4);
	memcpy(record + 24, &minus, 4);
	memcpy(record + 32, &backlog, 8);
	memcpy(record + 56, &delta, 8);
	value_is(start_618, "priority", record, sizeof(record), 12);
	value_is(start_618, "nid", record, sizeof(record), -1);
	value_is(start_618, "nr_objects_to_shrink", record, sizeof(record), LONG_MIN);
	value_is(start_618, "delta", record, sizeof(record), -1); /* all its bits */
	value_is(start_618, "shr", record, sizeof(record), 0);
	memcpy(narrow + 30, &nid, 2);
	narrow[32] = (char)200;
	value_is(other, "nid", narrow, sizeof(narrow), -2);
	value_is(other, "priority", narrow, sizeof(narrow), 200);
}

/* Read into a buffer that was too small: nothing wrong is made of it. The copy ends with
 * the allocation, so that AddressSanitizer sees who reads on. */
static void test_cut_off(void)
{
	static const char *const names[] = {"shr", "shrink", "nid", "delta", "priority"};
	size_t len = strlen(start_618);

	for (size_t cut = 0; cut <= len; cut++) {
		char *text = strndup(start_618, cut);
		uint64_t id = 0;

		CU_ASSERT_FATAL(text != NULL);
		CU_ASSERT(shrink_trace_id(text, &id) < 0 || id == 631);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			struct shrink_trace_field whole, f;

			CU_ASSERT(!shrink_trace_find(start_618, names[i], &whole));
			if (shrink_trace_find(text, names[i], &f) < 0) {
				CU_ASSERT(cut < len);
				continue;
			}
			CU_ASSERT(!memcmp(&whole, &f, sizeof(f)));
		}
		free(text);
	}
}

/* Whatever is in the text, a field that is found can be read from a record of the largest
 * size and from no shorter one than it says. */
static void test_garbage(void)
{
	static char record[SHRINK_TRACE_RECORD_MAX];
	struct random rnd = random_new();
	char text[sizeof(start_618)];
	int found = 0;

	for (int i = 0; i < 20000; i++) {
		struct shrink_trace_field f;
		int64_t v;

		memcpy(text, start_618, sizeof(text));
		for (uint64_t n = 1 + random_below(&rnd, 12); n; n--) {
			char any[] = ";:\n\t [0129-field";
			size_t at = (size_t)random_below(&rnd, sizeof(text) - 1);

			text[at] = random_below(&rnd, 2) ?
				any[random_below(&rnd, sizeof(any))] :
				(char)random_below(&rnd, 256);
		}
		if (shrink_trace_find(text, "total_scan", &f))
			continue;
		found++;
		CU_ASSERT(!shrink_trace_value(&f, record, sizeof(record), &v));
		CU_ASSERT(shrink_trace_value(&f, record, f.offset, &v) == -ERANGE);
	}
	CU_ASSERT(found > 1000 && found < 20000);
}

static const struct test tests[] = {
	{"trace format: fields are found where the text says", test_fields},
	{"trace format: what makes no sense is refused", test_refused},
	{"trace format: values, with their signs, and not from short records", test_values},
	{"trace format: a text that is cut off anywhere", test_cut_off},
	{"trace format: garbage", test_garbage},
	{0},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "trace-format", tests);
}
