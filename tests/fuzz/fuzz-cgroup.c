// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Lines of /proc/self/cgroup: which hierarchy, which group.
 * with: base/lines.c base/parse.c os/cgroup-find.c os/fd.c os/lines.c */
#define FUZZER cgroup
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/cgroup-find.h>

static bool names_memory(char *list)
{
	char *word;

	while ((word = strsep(&list, ",")))
		if (!strcmp(word, "memory"))
			return true;
	return false;
}

/* number ":" controllers ":" path */
static int naive(char *line, const char **ret_path)
{
	char *number = strsep(&line, ":"), *list = strsep(&line, ":");
	bool none = list && !*list;

	if (!line || *line != '/' || strlen(line) >= SHRINK_CGROUP_PATH)
		return 0;
	*ret_path = line;
	if (names_memory(list))
		return 1;
	return none && !strcmp(number, "0") ? 2 : 0;
}

static void check(const char *line)
{
	char *a = fuzz_copy(line), *b = fuzz_copy(line);
	const char *got = NULL, *expected = NULL;
	int version = shrink_os_cgroup_line(a, &got);

	FUZZ_CHECK(version == naive(b, &expected));
	FUZZ_CHECK(!version || !strcmp(got, expected));
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		check(line);
	free(text);
	return 0;
}
