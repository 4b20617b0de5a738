#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# tests/test-pressure with a file system whose pages can be reclaimed, and at a pace that
# is to an emulated processor what the test's own is to one that is not.
modprobe brd rd_nr=1 rd_size=1048576 || exit 99
mke2fs /dev/ram0 >/dev/null 2>&1 && mount -t ext2 /dev/ram0 /var/tmp || exit 99
PRESSURE_PACE=40 /build/tests/test-pressure
status=$?
umount /var/tmp
exit $status
