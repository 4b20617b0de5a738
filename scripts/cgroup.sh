# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash disable=SC1007,SC2015,SC2034
# A memory-limited group of one's own, v1 or v2. Sourced.
#
# group_make LIMIT sets: group_dir (folder of the memory group), group_psi_dir
# (the v2 folder, where there is one), group_kind (v1, v2), or group_reason where
# it cannot be. Nothing but groups made here is ever changed or removed.

group_dir= group_psi_dir= group_kind= group_reason=
group_made=()
group_delegated=

# mounted FSTYPE CONTROLLER: "root mountpoint" of the hierarchy, or nothing
mounted() {
	local line head tail root point type options

	while IFS= read -r line; do
		head=${line%% - *} tail=${line#* - }
		read -r _ _ _ root point _ <<<"$head"
		read -r type _ options <<<"$tail"
		[ "$type" = "$1" ] || continue
		[[ -z $2 || ,$options, == *,$2,* ]] || continue
		printf '%s %s\n' "$root" "$point"
		return
	done </proc/self/mountinfo
}

# own_group FSTYPE CONTROLLER: this shell's own folder in that hierarchy
own_group() {
	local root point path line

	read -r root point <<<"$(mounted "$1" "$2")"
	[ -n "${point:-}" ] || return 1
	while IFS= read -r line; do
		path=${line#*:*:}
		line=${line%":$path"}
		[[ ,${line#*:}, == *,$2,* ]] || continue
		[ "$root" = / ] || path=${path#"$root"}
		[ -d "$point$path" ] || return 1
		printf '%s\n' "${point%/}${path%/}"
		return
	done </proc/self/cgroup
	return 1
}

group_mkdir() {
	mkdir "$1" 2>/dev/null && group_made+=("$1")
}

# Writes a file of the group, quietly; tells whether it took.
group_write() {
	{ printf '%s\n' "$2" >"$1"; } 2>/dev/null
}

group_read() {
	local value

	{ read -r value <"$1"; } 2>/dev/null && printf '%s\n' "$value"
}

group_make_v1() {
	local own limit=$1 name=$2

	own=$(own_group cgroup memory) || return 1
	group_mkdir "$own/$name" || {
		group_reason="no permission to make a group in $own"
		return 1
	}
	group_dir=$own/$name group_kind=v1
	group_write "$group_dir/memory.swappiness" 0
	group_write "$group_dir/memory.oom_control" 0
	group_write "$group_dir/memory.limit_in_bytes" "$limit"
	# no swapping out of it, yet memory alone must be what meets its limit: only
	# that is counted in memory.failcnt
	group_write "$group_dir/memory.memsw.limit_in_bytes" $((limit + (1 << 20)))
	[ "$(group_read "$group_dir/memory.limit_in_bytes")" = "$limit" ] || {
		group_reason="the limit did not take in $group_dir"
		return 1
	}
	# the v2 side of a hybrid system has no memory controller, but has PSI
	own=$(own_group cgroup2 '') && group_mkdir "$own/$name" && group_psi_dir=$own/$name
	return 0
}

group_delegates() {
	[[ " $(group_read "$1/cgroup.subtree_control") " == *' memory '* ]]
}

group_delegate() {
	group_write "$1/cgroup.subtree_control" +memory && group_delegated=$1
}

# Is this shell the only process in the group?
group_alone() {
	local pid

	while read -r pid; do
		[ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] || return 1
	done <"$1/cgroup.procs"
}

# A group with processes of its own cannot have limited children (but for the
# root). Where this shell is alone in its group, as in a container, it steps
# aside; elsewhere the nearest ancestor that can have them is taken.
group_parent_v2() {
	local dir=$1 point

	read -r _ point <<<"$(mounted cgroup2 '')"
	group_delegates "$dir" || group_delegate "$dir" || {
		group_alone "$dir" && group_mkdir "$dir/libshrink-aside.$$" &&
			group_write "$dir/libshrink-aside.$$/cgroup.procs" $$ &&
			group_delegate "$dir"
	}
	until group_delegates "$dir" && [ -w "$dir" ]; do
		[ "$dir" != "$point" ] || return 1
		dir=${dir%/*}
	done
	group_parent=$dir
}

group_make_v2() {
	local own limit=$1 name=$2 group_parent

	own=$(own_group cgroup2 '') || return 1
	[[ " $(group_read "$own/cgroup.controllers") " == *' memory '* ]] || {
		group_reason="no memory controller in $own"
		return 1
	}
	group_parent_v2 "$own" && group_mkdir "$group_parent/$name" || {
		group_reason="no permission to make a limited group at or above $own"
		return 1
	}
	group_dir=$group_parent/$name group_kind=v2 group_psi_dir=$group_dir
	group_write "$group_dir/memory.swap.max" 0
	group_write "$group_dir/memory.max" "$limit"
	[ "$(group_read "$group_dir/memory.max")" = "$limit" ] || {
		group_reason="the limit did not take in $group_dir"
		return 1
	}
}

# group_make LIMIT_BYTES NAME
group_make() {
	group_dir= group_psi_dir= group_kind=
	group_reason="no cgroup with a memory controller"
	group_make_v2 "$1" "$2" || group_make_v1 "$1" "$2" || {
		group_remove
		return 1
	}
}

# group_enter SCORE: for a subshell that is about to exec; SCORE says how soon it
# is to be killed.
group_enter() {
	group_write "$group_dir/cgroup.procs" 0 || return 1
	[ -z "$group_psi_dir" ] || [ "$group_psi_dir" = "$group_dir" ] ||
		group_write "$group_psi_dir/cgroup.procs" 0 || return 1
	group_write /proc/self/oom_score_adj "$1"
}

# Removes a group made here, and kills what is left in it.
group_remove_one() {
	local dir=$1 pid

	for _ in {1..100}; do
		while read -r pid; do
			kill -KILL "$pid" 2>/dev/null
		done <"$dir/cgroup.procs"
		rmdir "$dir" 2>/dev/null && return
		sleep 0.05
	done
}

group_remove() {
	local i aside=

	for ((i = ${#group_made[@]} - 1; i >= 0; i--)); do
		case ${group_made[i]} in
		*/libshrink-aside.*) aside=${group_made[i]} ;;
		*) group_remove_one "${group_made[i]}" ;;
		esac
	done
	[ -z "$group_delegated" ] || group_write "$group_delegated/cgroup.subtree_control" -memory
	if [ -n "$aside" ]; then
		group_write "${aside%/*}/cgroup.procs" $$
		rmdir "$aside"
	fi
	group_made=()
	group_dir= group_psi_dir= group_delegated=
}
