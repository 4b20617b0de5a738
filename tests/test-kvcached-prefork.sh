#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Eight servers in one group share a shortage.
exec "${PYTHON3:-python3}" "$(dirname "$0")/kvcached/prefork.py"
