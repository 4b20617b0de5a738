# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# shellcheck shell=bash
# A guest under QEMU's software emulation. Sourced.
#
# boot KERNEL_DIR IMAGE NODES MEMORY[,WORD...] OUT CONSOLE: the words go to the kernel. What
# the tests print goes to OUT, what the kernel does to CONSOLE. Returns 0 if the guest ended
# as it should, and OUT is whole; else 1 with boot_reason. It ends anyhow: each test has its
# seconds in $boot_seconds[name], and a guest in which nothing moves for longer is killed.

declare -A boot_seconds=()
boot_reason='' boot_pid=''
boot_grace=${LIBSHRINK_GUEST_GRACE:-240} # beyond a test's own seconds, which are the guest's
boot_between=240                          # to start, and from one test to the next

# Without cmpxchg16b: QEMU 7.2 was seen to come back from it with the flags of another
# register, and the kernel's allocator died of the trap (6.1, kmem_cache_alloc, amid openat).
boot_cpu=qemu64,-cx16

# The guest's clock counts its instructions, four nanoseconds each, and skips what it would
# sleep. So how busy this machine is does not show inside: a second there is the same work
# always. With a clock that runs on by itself, a guest on a busy machine may find no tick
# where it waits for one, and gives up booting ("IO-APIC + timer doesn't work!", one boot
# in eighty at a load of 16); and tests are late for everything.
boot_clock="-icount shift=2,sleep=off,align=off -accel tcg,thread=single"

# boot_machine NODES MEMORY[,WORD...]
boot_machine() {
	local nodes=$1 memory=${2%%,*} unit size node

	unit=${memory: -1} size=${memory%?}

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
# is one. Under emulation on a busy machine its own watchdogs would bark at nothing. Init
# brings the second processor up: while it boots, 6.1 waits for it in a way that leaves it
# no time where the two take turns.
boot_arguments="console=ttyS0 quiet panic=-1 oops=panic psi=1 nokaslr mitigations=off \
maxcpus=1 nowatchdog no_timer_check rcupdate.rcu_cpu_stall_suppress=1 audit=0"

# boot_qemu KERNEL_DIR IMAGE NODES MEMORY[,WORD...] argument...
boot_qemu() {
	local kernel=$1 image=$2 machine words

	words=$(tr , ' ' <<<"${4#*[MG]}")
	mapfile -t machine < <(boot_machine "$3" "$4")
	shift 4
	# shellcheck disable=SC2086 # words
	exec qemu-system-x86_64 -M q35,hpet=off $boot_clock -cpu $boot_cpu \
		"${machine[@]}" -nodefaults -no-user-config -no-reboot -display none \
		-kernel "$kernel/vmlinux" -initrd "$image" -append "$boot_arguments$words" \
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

# Until QEMU ends, or nothing has moved for too long: for longer than the mark that was
# the last one all that time allows.
boot_watch() {
	local out=$1 marks last=-1 since patience

	while kill -0 "$boot_pid" 2>/dev/null; do
		marks=$(grep -c '^@' "$out")
		if [ "$marks" != "$last" ]; then
			last=$marks since=$SECONDS patience=$(boot_patience "$out")
		elif [ $((SECONDS - since)) -gt "$patience" ]; then
			boot_reason="nothing moved for $((SECONDS - since)) s"
			kill -KILL "$boot_pid"
			return
		fi
		sleep 0.2
	done
}

# boot_why STATUS OUT: what is wrong with a guest that ended so; nothing if it is well
boot_why() {
	case $1 in
	33) tail -n 1 "$2" | grep -q '^@done' ||
		echo "the guest ended well, but its output breaks off after $(wc -c <"$2") bytes" ;;
	35) echo "the guest has no second serial port" ;;
	0) echo "the guest panicked or rebooted" ;;
	1) echo "QEMU did not start" ;;
	*) if [ "$1" -gt 128 ]; then
		echo "QEMU was killed by signal $(($1 - 128))"
	else
		echo "QEMU ended with status $1"
	fi ;;
	esac
}

boot() {
	local status=0

	boot_reason=''
	boot_start "$@"
	boot_watch "$5"
	wait "$boot_pid" || status=$?
	boot_pid=''
	[ -n "$boot_reason" ] || boot_reason=$(boot_why $status "$5")
	[ -z "$boot_reason" ]
}
