#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# A real memory limit, a load of four times what fits, and a neighbour.
exec "${PYTHON3:-python3}" "$(dirname "$0")/kvcached/memory.py"
