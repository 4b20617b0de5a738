#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Values the kernel may take by itself, also from a stopped server.
exec "${PYTHON3:-python3}" "$(dirname "$0")/kvcached/purgeable.py"
