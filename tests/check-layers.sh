#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Who may know whom. A folder under libshrink/ may include itself and the folders
# of lower layers, and its objects may refer to nothing above; only libshrink/os
# makes system calls, allocates and creates threads; public headers and examples
# never see an internal header.
. "$(dirname "$0")/tap.sh"
make_tmp

# Folder -> layer. Folders of one layer do not know each other.
rank()
{
	case $1 in
	base) echo 0 ;;
	os) echo 1 ;;
	core) echo 2 ;;
	lru | pool | bridge) echo 3 ;;
	reclaim) echo 4 ;;
	source | builtin | obs) echo 5 ;;
	api) echo 6 ;;
	*) echo unknown ;;
	esac
}

# may FROM TO: may folder FROM know folder TO?
may()
{
	[ "$1" = "$2" ] || [ "$(rank "$2")" -lt "$(rank "$1")" ] 2>/dev/null
}

# "file include" pairs of a folder
includes()
{
	find "$1" -name '*.[ch]' | while read -r file; do
		sed -n 's/^[ 	]*#[ 	]*include[ 	]*\([<"][^>"]*[>"]\).*/\1/p' "$file" |
			sed "s|^|$file |"
	done
}

# Prints each include under ROOT/libshrink that goes upward or aside.
include_findings()
{
	for folder in "$1"/libshrink/*/; do
		from=$(basename "$folder")
		[ "$(rank "$from")" != unknown ] || echo "$folder: no layer of that name"
		includes "$folder" | while read -r file what; do
			case $what in
			'<libshrink/'*)
				to=${what#<libshrink/}
				may "$from" "${to%%/*}" || echo "$file: $what is not below $from"
				;;
			'"config.h"' | '<'*) ;;
			*) echo "$file: $what: libshrink/ includes by <libshrink/...>" ;;
			esac
			case $what in
			*tests/* | *examples/*) echo "$file: $what" ;;
			esac
		done
	done
	includes "$1/include" | grep -E 'libshrink/|config\.h|tests/|"' | sed 's/$/: internal/'
	[ ! -d "$1/examples" ] || includes "$1/examples" | grep -E 'libshrink/|tests/|config\.h' |
		sed 's/$/: examples use public headers only/'
}

# What only libshrink/os may call: system calls by whatever name, memory, threads.
os_only='open open64 openat openat64 creat read pread pread64 write pwrite pwrite64 readv
	writev close close_range ioctl fcntl fcntl64 mmap mmap64 munmap mremap mprotect madvise
	mlock mlock2 munlock mincore msync brk sbrk mbind set_mempolicy move_pages fork vfork clone
	execve execv execvp posix_spawn system popen wait wait4 waitpid kill tgkill raise signal
	sigaction sigprocmask pthread_sigmask pthread_kill epoll_create epoll_create1 epoll_ctl
	epoll_wait epoll_pwait eventfd timerfd_create timerfd_settime inotify_init inotify_init1
	inotify_add_watch socket connect bind listen accept accept4 send sendto sendmsg recv
	recvfrom recvmsg poll ppoll select pselect pipe pipe2 dup dup2 dup3 stat stat64 fstat
	fstat64 lstat lstat64 fstatat access faccessat readlink readlinkat opendir readdir
	scandir fopen fopen64 fdopen getline fgets fread unlink rename mkdir rmdir ftruncate
	memfd_create prctl syscall sched_setaffinity sched_setscheduler sched_yield getrusage
	getrlimit setrlimit sysconf getpid gettid nanosleep clock_nanosleep usleep sleep
	clock_gettime gettimeofday time numa_available numa_max_node malloc calloc realloc
	aligned_alloc posix_memalign memalign free strdup strndup asprintf vasprintf
	pthread_create pthread_attr_setstacksize dlopen'

# "folder symbol" pairs, undefined (U) or defined (T, D, B, R, V, W ...), of objects
object_symbols()
{
	find "$2"/libshrink/*/ -name '*.o' 2>/dev/null | while read -r object; do
		folder=${object#"$2"/libshrink/}
		folder=${folder%%/*}
		case $1 in
		undefined) nm -u "$object" ;;
		defined) nm -g --defined-only "$object" ;;
		esac | awk -v f="$folder" '{ print f, $NF }'
	done | sort -u
}

# Prints each call under BUILD/libshrink of what only os may call.
syscall_findings()
{
	object_symbols undefined "$1" >"$tmp/undefined"
	# shellcheck disable=SC2086
	printf '%s\n' $os_only | sort -u >"$tmp/os-only"
	awk 'NR == FNR { deny[$1]; next }
	     { sub(/@.*/, "", $2) }
	     $1 != "os" && $2 in deny { print "libshrink/" $1 " calls " $2 "()" }' \
		"$tmp/os-only" "$tmp/undefined"
}

# Prints each symbol under BUILD/libshrink that is used below where it is defined.
upward_findings()
{
	object_symbols undefined "$1" >"$tmp/undefined"
	object_symbols defined "$1" >"$tmp/defined"
	awk 'NR == FNR { home[$2] = $1; next }
	     $2 in home && home[$2] != $1 { print $1, home[$2], $2 }' \
		"$tmp/defined" "$tmp/undefined" | while read -r from to symbol; do
		may "$from" "$to" || echo "libshrink/$from uses $symbol of libshrink/$to"
	done
}

none "includes go down only" "$(include_findings "$top_srcdir")"
none "system calls, memory and threads: libshrink/os only" "$(syscall_findings "$top_builddir")"
none "no reference to a symbol of a higher layer" "$(upward_findings "$top_builddir")"

objects=$(find "$top_builddir"/libshrink/*/ -name '*.o' | wc -l)
if [ "$objects" -ge 8 ]; then pass "objects were looked at"; else
	fail "objects were looked at" "only $objects"
fi

# The broken twin: each rule broken once.
mkdir -p "$tmp/src/libshrink/core" "$tmp/src/libshrink/os" "$tmp/src/libshrink/zoo" \
	"$tmp/src/include/shrink" "$tmp/src/examples" "$tmp/obj/libshrink/core" \
	"$tmp/obj/libshrink/api"
echo '#include <libshrink/api/conf.h>' >"$tmp/src/libshrink/core/a.c"
echo '# include "arith.h"' >"$tmp/src/libshrink/os/a.c"
echo '#include <libshrink/base/conf.h>' >"$tmp/src/include/shrink/a.h"
echo '#include <libshrink/base/conf.h>' >"$tmp/src/examples/a.c"
found=$(include_findings "$tmp/src")
for what in 'core/a.c' 'os/a.c' 'include/shrink/a.h' 'examples/a.c' 'libshrink/zoo'; do
	some "broken twin: $what" "$(echo "$found" | grep -F "$what")"
done
echo 'int open(const char *, int, ...); void up(void);
void f(void); void f(void) { open("x", 0); up(); }' >"$tmp/core.c"
echo 'void up(void); void up(void) { }' >"$tmp/api.c"
$CC -c -o "$tmp/obj/libshrink/core/f.o" "$tmp/core.c" &&
	$CC -c -o "$tmp/obj/libshrink/api/up.o" "$tmp/api.c"
same "broken twin: a system call in core" "$(syscall_findings "$tmp/obj")" \
	"libshrink/core calls open()"
same "broken twin: core uses api" "$(upward_findings "$tmp/obj")" \
	"libshrink/core uses up of libshrink/api"
done_testing
