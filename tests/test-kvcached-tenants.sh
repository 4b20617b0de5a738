#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Tenants: limits, protection, sums, and what policy is worth.
exec "${PYTHON3:-python3}" "$(dirname "$0")/kvcached/tenants.py"
