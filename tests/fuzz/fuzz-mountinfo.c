// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Lines of mountinfo, and the escapes in them.
 * with: base/lines.c base/parse.c os/cgroup-find.c os/fd.c os/lines.c */
#define FUZZER mountinfo
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/cgroup-find.h>

#define FIELDS_MAX 64

static char *unescaped(const char *text)
{
	char *out = fuzz_copy(text);
	size_t n = 0, at = 0, len = strlen(text);

	while (at < len) {
		bool octal = len - at >= 4 && text[at] == '\\' && strchr("0123", text[at + 1]) &&
			     strchr("01234567", text[at + 2]) && strchr("01234567", text[at + 3]);

		out[n++] = octal ? (char)((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 +
					  text[at + 3] - '0')
				 : text[at];
		at += octal ? 4 : 1;
	}
	out[n] = '\0';
	return out;
}

/* All that is escaped at all, and more of it than the kernel would, comes back. */
static void check_round_trip(const char *path)
{
	char *escaped = malloc(strlen(path) * 4 + 1);
	size_t n = 0;

	escaped[0] = '\0';
	for (const char *p = path; *p; p++)
		n += (size_t)sprintf(escaped + n, isalnum((unsigned char)*p) ? "%c" : "\\%03o",
				     (unsigned char)*p);
	shrink_os_cgroup_unescape(escaped);
	FUZZ_CHECK(!strcmp(escaped, path));
	free(escaped);
}

static bool has_memory(const char *options)
{
	char *copy = fuzz_copy(options), *rest = copy, *word;
	bool found = false;

	while ((word = strsep(&rest, ",")))
		found |= !strcmp(word, "memory");
	free(copy);
	return found;
}

/* The fields by which it is known what is mounted: those behind the first " - ". */
static int naive(char *line, char **ret_root, char **ret_mount)
{
	char *dash = strstr(line, " - "), *rest = line, *f, *field[FIELDS_MAX];
	int n = 0, before = 0;

	while (dash && (f = strsep(&rest, " ")) && n < FIELDS_MAX) {
		if (f == dash + 1 && !before)
			before = n;
		else if (*f)
			field[n++] = f;
	}
	if (!dash || before < 5 || n < before + 3)
		return 0;
	*ret_root = unescaped(field[3]);
	*ret_mount = unescaped(field[4]);
	if (!strcmp(field[before], "cgroup2"))
		return 2;
	return !strcmp(field[before], "cgroup") && has_memory(field[before + 2]);
}

static void check(const char *line)
{
	char *a = fuzz_copy(line), *b = fuzz_copy(line), *root = NULL, *mount = NULL;
	const char *got_root, *got_mount;
	int version = shrink_os_mount_line(a, &got_root, &got_mount);

	FUZZ_CHECK(version == naive(b, &root, &mount));
	FUZZ_CHECK(!version || (!strcmp(got_root, root) && !strcmp(got_mount, mount)));
	free(root);
	free(mount);
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text, *line;

	check_round_trip(text);
	while ((line = strsep(&rest, "\n")))
		if (strlen(line) < 512) /* fields enough for any such line but one of blanks */
			check(line);
	free(text);
	return 0;
}
