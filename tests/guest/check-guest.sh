#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# All guest tests, as one TAP stream.
exec bash "$(dirname "$0")/run.sh" ${LIBSHRINK_GUEST_TESTS:-}
