# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash
# A guest under QEMU's software emulation. Sourced.
#
# boot KERNEL_DIR IMAGE NODES MEMORY OUT CONSOLE: what the tests print goes to OUT,
# what the kernel does to CONSOLE. Returns 0 if the guest ended as it should; else 1
# with boot_reason. It ends anyhow: each test has its seconds in $boot_seconds[name],
# and a guest in which nothing moves for longer is killed.

declare -A boot_seconds=()
boot_reason='' boot_pid=''
boot_grace=${LIBSHRINK_GUEST_GRACE:-90} # beyond a test's own seconds
boot_between=180                         # to start, and from one test to the next

boot_machine() {
	local nodes=$1 memory=$2 unit=${2: -1} size=${2%?} node

	case $unit in
	G) size=$((size * 1024)) ;;
	M) ;;
	*) return 1 ;;
	esac
	printf '%s\n' -m "$memory" -smp 2
	for ((node = 0; node < nodes; node++)); do
		printf '%s\n' -object "memory-backend-ram,id=m$node,size=$((size / nodes))M" -numa
		if [ "$nodes" = 1 ]; then
			printf '%s\n' "node,nodeid=0,memdev=m0,cpus=0-1"
		else
			printf '%s\n' "node,nodeid=$node,memdev=m$node,cpus=$node"
		fi
	done
}

# A warning of the kernel is a test's failure (see init), not a reason to stop; an oops
# is one. Under emulation on a busy machine its own watchdogs would bark at nothing.
boot_arguments="console=ttyS0 quiet panic=-1 oops=panic psi=1 nokaslr mitigations=off \
nowatchdog rcupdate.rcu_cpu_stall_suppress=1 audit=0"

# boot_qemu KERNEL_DIR IMAGE NODES MEMORY argument...
boot_qemu() {
	local kernel=$1 image=$2 machine

	mapfile -t machine < <(boot_machine "$3" "$4")
	shift 4
	exec qemu-system-x86_64 -M q35,hpet=off -accel tcg,thread=multi -cpu qemu64 \
		"${machine[@]}" -nodefaults -no-user-config -no-reboot -display none \
		-kernel "$kernel/vmlinux" -initrd "$image" -append "$boot_arguments" \
		-device isa-debug-exit,iobase=0xf4,iosize=0x04 "$@"
}

boot_start() {
	: >"$5"
	boot_qemu "$1" "$2" "$3" "$4" -serial "file:$6" -serial "file:$5" \
		</dev/null >"$6.qemu" 2>&1 &
	boot_pid=$!
}

# How long the guest may go on as it is: by the last mark in OUT.
boot_patience() {
	local mark name

	read -r mark name _ < <(grep '^@' "$1" | tail -n 1 | tr -d '\r')
	[ "$mark" != @begin ] || mark=${boot_seconds[$name]:-60}
	case $mark in
	'' | @*) echo "$boot_between" ;;
	*) echo $((mark + boot_grace)) ;;
	esac
}

# Until QEMU ends, or nothing has moved for too long.
boot_watch() {
	local out=$1 marks last=-1 since=$SECONDS

	while kill -0 "$boot_pid" 2>/dev/null; do
		marks=$(grep -c '^@' "$out")
		[ "$marks" = "$last" ] || { last=$marks since=$SECONDS; }
		if [ $((SECONDS - since)) -gt "$(boot_patience "$out")" ]; then
			boot_reason="nothing moved for $((SECONDS - since)) s"
			kill -KILL "$boot_pid"
			return
		fi
		sleep 0.2
	done
}

boot() {
	local status=0

	boot_reason=''
	boot_start "$@"
	boot_watch "$5"
	wait "$boot_pid" || status=$?
	boot_pid=''
	[ -z "$boot_reason" ] || return 1
	[ $status != 33 ] || return 0
	boot_reason="QEMU ended with status $status: the guest panicked or rebooted"
	return 1
}
