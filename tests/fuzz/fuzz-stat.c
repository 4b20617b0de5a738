// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* memory.stat of either version: what of the usage the kernel could take by itself.
 * with: base/parse.c os/cgroup-read.c os/fd.c */
#define FUZZER stat
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

#include <libshrink/os/cgroup.h>

static uint64_t naive(const char *text, const char *const name[4])
{
	uint64_t file = naive_narrow((wide)naive_or_0(text, name[0]) + naive_or_0(text, name[1]));
	uint64_t busy = naive_narrow((wide)naive_or_0(text, name[2]) + naive_or_0(text, name[3]));

	return file > busy ? file - busy : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const v1[] = {"total_active_file", "total_inactive_file", "total_dirty",
					 "total_writeback"};
	static const char *const v2[] = {"active_file", "inactive_file", "file_dirty",
					 "file_writeback"};
	char *text = fuzz_text(data, size);

	FUZZ_CHECK(shrink_os_cgroup_reclaimable(text, 1) == naive(text, v1));
	FUZZ_CHECK(shrink_os_cgroup_reclaimable(text, 2) == naive(text, v2));
	free(text);
	return 0;
}
