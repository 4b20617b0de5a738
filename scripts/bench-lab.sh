#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The pressure laboratory: a table and survival maps. Nothing is asserted.
set -u -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1

usage() {
	cat <<'END'
usage: scripts/bench-lab.sh [--built DIR] [PLAN ...]

Runs the plans (policies shape release bursts patterns latency; by default all, about ten
minutes on an idle machine) of the tree built in DIR (default build/; "make
bench-lab" builds it first). Runs: DIR/lab/runs.jsonl, maps: DIR/lab/*.svg. Needs a
memory group of its own, so root or a delegated group.
END
}

built=$top/build plans=()
while [ $# -gt 0 ]; do
	case $1 in
	--built) built=${2:?}; shift ;;
	policies | shape | release | bursts | patterns | latency | smoke) plans+=("$1") ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ ${#plans[@]} -gt 0 ] || plans=(policies shape release bursts patterns latency)
mkdir -p "$built/lab" && cd "$built/lab" || exit 1
rm -f runs.jsonl ./*.svg
"$built/tests/lab/lab" "${plans[@]}" >runs.jsonl || exit
python3 "$top/tests/lab/report.py" runs.jsonl . | tee report.md
printf '== runs and maps: %s\n' "$built/lab"
