#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# The broken twins of all guest tests: one that fails, dies, hangs, panics or says
# nothing is a failure, and what comes behind it is run all the same. Without kernels
# to be had tests are skipped, and say why.
# shellcheck disable=SC1091,SC2154
. "$(dirname "$0")/../tap.sh"
make_tmp
here=$top_srcdir/tests/guest
series=6.12

# A list with the broken tests named in it.
list()
{
	for name in "$@"; do
		echo "$name $series 2 512M none 5 tests/guest/broken.sh $name"
	done >"$tmp/list"
}

run()
{
	LIBSHRINK_GUEST_GRACE=${grace:-90} bash "$here/run.sh" -l "$tmp/list" >"$tmp/out" 2>&1
	status=$?
}

# reported NAME TEXT: a failure of this name, with this text
reported()
{
	if grep -q "^not ok [0-9]* - $series $1: .*$2" "$tmp/out"; then
		pass "reported: $1"
	else
		fail "reported: $1" "no \"$2\" in:" "$(grep " $series $1" "$tmp/out")"
	fi
}

list fails status silent unplanned short warns hangs panics leaves passes
run
if grep -q '# SKIP' "$tmp/out"; then
	cat "$tmp/out"
	exit 0
fi
same "failures end with a status" "$status" 1
reported fails "two is three"
reported status "ended with status 3"
reported silent "no plan"
reported unplanned "no plan"
reported short "1 results, 3 planned"
reported warns "the kernel complained"
reported hangs "out of time"
reported panics "ended or hung amid it"
some "what the kernel said is shown" "$(grep 'console: .*sysrq' "$tmp/out")"
some "a panic is told" "$(grep '^# the guest panicked' "$tmp/out")"
reported leaves "ended or hung amid it"
some "output that breaks off is told" "$(grep 'its output breaks off after' "$tmp/out")"
some "a test behind a panic runs" "$(grep "^ok [0-9]* - $series passes: one is one" "$tmp/out")"
same "every test is reported once" \
	"$(grep -c '^not ok' "$tmp/out") $(grep -c "^ok.* passes:" "$tmp/out")" "9 1"

list frozen
grace=20
run
same "a frozen guest ends" "$status" 1
reported frozen "ended or hung amid it"
grace=

list nosuch
sed -i 's|broken.sh|nosuch.sh|' "$tmp/list"
run
reported nosuch "no tests/guest/nosuch.sh"

list passes
sed -i "s|$series|6.99|" "$tmp/list"
run
same "an unknown kernel is an error" "$status" 99

# QEMU's own end is told from the guest's.
mkdir "$tmp/bin" "$tmp/cache"
list passes
qemu_that()
{
	printf '#!/bin/sh\n%s\n' "$1" >"$tmp/bin/qemu-system-x86_64"
	chmod 755 "$tmp/bin/qemu-system-x86_64"
	PATH=$tmp/bin:$PATH run
}
qemu_that 'echo no such machine >&2; exit 1'
reported passes "QEMU did not start"
some "what QEMU said is shown" "$(grep '^# qemu: no such machine' "$tmp/out")"
qemu_that 'kill -TERM $$'
reported passes "QEMU was killed by signal 15"
rm "$tmp/bin/qemu-system-x86_64"

# Neither a cache nor a network.
for tool in apt-get apt-cache; do
	printf '#!/bin/sh\necho no network >&2\nexit 100\n' >"$tmp/bin/$tool"
	chmod 755 "$tmp/bin/$tool"
done
list passes
PATH=$tmp/bin:$PATH LIBSHRINK_GUEST_CACHE=$tmp/cache bash "$here/run.sh" -l "$tmp/list" \
	>"$tmp/out" 2>&1
same "nothing to be had: no failure" "$?" 0
some "nothing to be had: skipped, and why" "$(grep "^ok 1 .* # SKIP no linux-image" "$tmp/out")"

# A download that breaks off leaves nothing that looks like a kernel.
cat >"$tmp/bin/apt-cache" <<'END'
#!/bin/sh
echo "  Depends: linux-image-6.12.9-cloud-amd64"
END
cat >"$tmp/bin/apt-get" <<'END'
#!/bin/sh
case " $* " in *' download '*) echo half >linux-image.deb ;; esac
END
PATH=$tmp/bin:$PATH LIBSHRINK_GUEST_CACHE=$tmp/cache bash "$here/run.sh" -l "$tmp/list" \
	>"$tmp/out" 2>&1
some "half a kernel: skipped, and why" "$(grep "^ok 1 .* # SKIP linux-image" "$tmp/out")"
none "half a kernel: not kept" "$(find "$tmp/cache" -name vmlinux -o -name '.new*')"
done_testing
