# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154
# What test.sh and demo.sh share: packages, and a build that is only redone
# where its inputs changed. Sourced; expects $top, the source folder.

say() {
	printf '== %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# packages_of demo|test|guest: one name a line
packages_of() {
	local name use

	while read -r name use; do
		case $name in '' | '#'*) continue ;; esac
		if [ "$use" = demo ] || [ "$use" = "$1" ]; then
			printf '%s\n' "$name"
		fi
	done <"$top/scripts/packages"
}

packages_missing() {
	local name

	for name in $(packages_of "$1"); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
			printf '%s\n' "$name"
	done
}

# A package may bring a service that its installation would start. While this
# is in place nothing is started; one that somebody else put there is left alone.
services_hold() {
	policy=/usr/sbin/policy-rc.d
	[ ! -e $policy ] || return 0
	printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && policy_ours=1
}

services_release() {
	[ -z "${policy_ours:-}" ] || rm -f /usr/sbin/policy-rc.d
	policy_ours=
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# memcached comes with a service for every boot: we want the program only, so what
# we installed ourselves is not left to start later either.
services_disable() {
	[[ " $1 " != *' memcached '* ]] || update-rc.d memcached disable
}

# need_packages demo|test|guest: installs what is missing, or says what to type
need_packages() {
	local missing log=$top/build/apt.log rc=0

	command -v dpkg-query >/dev/null || {
		say "not a Debian system: going on with what is installed"
		return 0
	}
	missing=$(packages_missing "$1" | tr '\n' ' ')
	missing=${missing% }
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		printf 'These packages are missing. As root, type:\n\n' >&2
		printf '  apt-get update && apt-get install --no-install-recommends %s\n\n' \
			"$missing" >&2
		exit 1
	fi
	say "installing: $missing"
	mkdir -p "$top/build"
	trap 'services_release' EXIT
	services_hold
	# shellcheck disable=SC2086 # a list of words
	{ apt_get update && apt_get install $missing && services_disable "$missing"; } \
		>"$log" 2>&1 || rc=$?
	services_release
	trap - EXIT
	[ $rc = 0 ] || {
		tail -n 20 "$log" >&2
		die "apt-get failed, see $log"
	}
}

# want_packages USE: as need_packages, but goes on without what cannot be had
want_packages() {
	(need_packages "$1") || say "going on without the packages for $1"
}

# What the generated files depend on beyond what make itself watches.
bootstrap_inputs() {
	cat "$top/bootstrap" "$top/configure.ac" "$top"/m4/shrink.m4
	packages_of test | xargs dpkg-query -W 2>/dev/null
	return 0
}

# quietly LOG command...: its output goes to LOG, and to the screen if it fails
quietly() {
	local log=$1

	shift
	"$@" >"$log" 2>&1 </dev/null || {
		tail -n 40 "$log" >&2
		die "failed: $* (all of it: $log)"
	}
}

jobs() {
	nproc 2>/dev/null || echo 2
}

bootstrap() {
	local sum

	sum=$(bootstrap_inputs | cksum)
	[ -x "$top/configure" ] && [ "$(cat "$top/build/bootstrap.sum" 2>/dev/null)" = "$sum" ] &&
		return 0
	say "bootstrap"
	mkdir -p "$top/build"
	quietly "$top/build/bootstrap.log" "$top/bootstrap"
	printf '%s\n' "$sum" >"$top/build/bootstrap.sum"
}

# configure_in DIR options...: again only where the options, or what bootstrap
# saw, have changed
configure_in() {
	local dir=$1 sum

	shift
	sum="$(cat "$top/build/bootstrap.sum") $*"
	[ -f "$dir/Makefile" ] && [ "$(cat "$dir/configure.sum" 2>/dev/null)" = "$sum" ] && return 0
	say "configure ${dir#"$top"/} $*"
	mkdir -p "$dir"
	(cd "$dir" && quietly "$dir/configure.log" "$top/configure" "$@")
	printf '%s\n' "$sum" >"$dir/configure.sum"
}

# build_in DIR targets...
build_in() {
	local dir=$1

	shift
	say "make ${dir#"$top"/} ${*:-}"
	quietly "$dir/make.log" make -C "$dir" -j"$(jobs)" "$@"
}
