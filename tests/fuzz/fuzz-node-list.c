// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* Lists of memory nodes, "0-1,3".
 * with: base/parse.c os/fd.c os/nodeinfo.c */
#define FUZZER node_list
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/zoneinfo.h>

/* "3" or "3-5" to the nodes in it, of those that there can be. */
static bool naive_range(const char *s, uint64_t *mask)
{
	wide first, last;
	size_t at = 0;

	if (!naive_digits(s, &at, &first))
		return false;
	last = first;
	if (s[at] == '-' && (at++, !naive_digits(s, &at, &last)))
		return false;
	if (s[at] || first >> 64 || last >> 64 || first > last)
		return false;
	for (unsigned int n = 0; n < SHRINK_NODES_MAX; n++)
		if (first <= n && n <= last)
			*mask |= 1ULL << n;
	return true;
}

/* Of the first line; a comma at its end is let pass. */
static bool naive(const char *text, uint64_t *ret_mask)
{
	char *line = fuzz_copy(text), *rest = line, *range;
	bool good = true;

	line[strcspn(line, "\n")] = '\0';
	*ret_mask = 0;
	while (good && rest && *rest) {
		range = strsep(&rest, ",");
		good = naive_range(range, ret_mask);
	}
	free(line);
	return good;
}

/* As the kernel writes it. */
static void print(uint64_t mask, char *out, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < SHRINK_NODES_MAX; i++)
		if (mask >> i & 1)
			n += (size_t)snprintf(out + n, size - n, "%s%d", n ? "," : "", i);
	snprintf(out + n, size - n, "\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), canonical[256];
	uint64_t got = 7, mask, again;
	bool good = naive(text, &mask);

	FUZZ_CHECK(shrink_node_list_parse(text, &got) == (good ? 0 : -EINVAL));
	FUZZ_CHECK(got == (good ? mask : 7));
	print(got, canonical, sizeof(canonical));
	FUZZ_CHECK(shrink_node_list_parse(canonical, &again) == 0 && again == got);
	free(text);
	return 0;
}
