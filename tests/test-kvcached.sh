#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Real clients, time, threads, slow readers, a fixed ceiling, a clean end.
exec "${PYTHON3:-python3}" "$(dirname "$0")/kvcached/behaviour.py"
