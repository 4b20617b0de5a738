#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Byte for byte what memcached answers.
exec "${PYTHON3:-python3}" "$(dirname "$0")/kvcached/differential.py"
