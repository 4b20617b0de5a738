#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The pool, malloc, jemalloc: evicted, and returned.
exec "${PYTHON3:-python3}" "$(dirname "$0")/kvcached/allocators.py"
