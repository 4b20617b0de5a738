#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
# Broken twins: proof that the stress and the contract tests can fail. A reference,
# a wait or an exchange is taken out of a copy of one source file of the core, the
# test program is linked with it, and must fail (or crash, or hang). The untouched
# copy, linked in the same way, must pass.
. "$(dirname "$0")/tap.sh"
make_tmp
. "$top_srcdir/tests/twins.sh"
[ -f "$top_builddir/tests/test-stress.o" ] || skip_all "test programs are not built"
[ -z "$(make_var SHRINK_SANITIZER_FLAGS)" ] || skip_all "the plain build does it"
libs="$top_builddir/.libs/libcache.a $top_builddir/.libs/libpoolcache.a"
libs="$libs $top_builddir/.libs/libfakes.a $top_builddir/.libs/libharness.a"

# Set to AddressSanitizer where the broken thing is a use of freed memory, which
# would mostly go unpunished otherwise.
sanitize=

# object PROGRAM: per-target flags put the target's name before it
object()
{
	ls "$top_builddir/tests/$1.o" "$top_builddir"/tests/*-"$1.o" 2>/dev/null | head -n 1
}

# build PROGRAM FILE SED-SCRIPT: $tmp/twin; fails if the script changes nothing
build()
{
	source=$top_srcdir/libshrink/core/$2
	[ -f "$source" ] || source=$(ls "$top_srcdir"/libshrink/*/"$2")
	twin_copy "$source" "$3" "$tmp/twin.c" >"$tmp/out" || return 1
	# shellcheck disable=SC2086 # lists of words
	$CC $twin_flags -O1 $sanitize -c "$tmp/twin.c" -o "$tmp/twin.o" >"$tmp/out" 2>&1 &&
		$CC -pthread $sanitize "$(object "$1")" "$tmp/twin.o" $libs "$archive" \
			$(make_var CUNIT_LIBS) $twin_libs -lm -o "$tmp/twin" >>"$tmp/out" 2>&1
}

# run SEEDS SECONDS [TEST]: the exit status of the twin. Which thread comes first is
# chance, and a busy machine leaves it little: several seeds.
run()
{
	seeds=$1
	limit=$2
	shift 2
	for seed in $(seq "$seeds"); do
		TEST_SEED=$seed STRESS_MSEC=1000 timeout -s KILL "$limit" "$tmp/twin" "$@" \
			>"$tmp/out" 2>&1 || return 1
	done
}

# healthy PROGRAM FILE [TEST]
healthy()
{
	if build "$1" "$2" "" && run 3 120 ${3:+"$3"}; then
		pass "$1 passes with an untouched copy of $2"
	else
		fail "$1 passes with an untouched copy of $2" "$(tail -n 20 "$tmp/out")"
	fi
}

# broken WHAT PROGRAM FILE SED-SCRIPT [TEST]
broken()
{
	if ! build "$2" "$3" "$4"; then
		fail "$1: $2 notices" "$(cat "$tmp/out")"
	elif run 30 20 ${5:+"$5"} 2>/dev/null; then
		fail "$1: $2 notices" "the twin passes"
	else
		pass "$1: $2 notices"
	fi
}

healthy test-stress registry.c
broken "a walk holds no reference" test-stress registry.c \
	's/\&refs, refs + 1,/\&refs, refs,/; s/if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)/if (s->state == SHRINKER_D \&\& atomic_fetch_sub_explicit(\&s->refs, 1, memory_order_acq_rel) == 1)/'
sanitize=-fsanitize=address
STRESS_NO_FORKS=1 # the program itself does not know of its sanitizer
export STRESS_NO_FORKS
healthy test-stress registry.c
broken "limbo is emptied while walks run" test-stress registry.c \
	's/if (!wait && !shrink_gate_quiet())/if (0)/'
broken "no grace period before limbo is emptied" test-stress registry.c \
	's/^\t\t\tshrink_rcu_synchronize();/\t\t\t(void)0;/'
sanitize=
unset STRESS_NO_FORKS
broken "free does not wait for callbacks" test-stress life.c \
	's/s->waited = current != s \&\& !circle;/s->waited = false;/'
healthy test-walk slice.c
broken "deferred work is stored instead of added" test-walk slice.c \
	's/return atomic_fetch_add_explicit(deferred, objects, memory_order_relaxed) +/atomic_store(deferred, objects); return/' \
	"nothing deferred is lost"
broken "deferred work is read instead of claimed" test-walk slice.c \
	's/return atomic_exchange_explicit(deferred, 0, memory_order_relaxed);/return atomic_load(deferred);/' \
	"nothing deferred is lost"
broken "a dying shrinker is called again" test-life slice.c \
	's/shrinker_dying(s)/0/g' "freed from its own scan"
broken "fork does not wait for callbacks" test-fork gate.c \
	's/wait_quiet(SHRINK_TUN(fork_wait) \* 1000);/(void)0;/' "fork waits for a callback"
healthy test-pool-account ../pool/charge.c
broken "a group's min does not let its pool grow" test-pool-account ../pool/charge.c \
	's/!is_protected(pool, bytes)/1/' "up to its"
broken "a group's pool grows beyond its min" test-pool-account ../pool/charge.c \
	's/!is_protected(pool, bytes)/shrink_memcg_is_root(pool->memcg)/' "up to its"
healthy test-pool-evict ../pool/give.c
broken "what one call left over stays" test-pool-evict ../pool/give.c \
	's/(int)i < done ||/1 ||/' "locked"
healthy test-pool-magazine ../pool/magazine.c
broken "a magazine believes its entries" test-pool-magazine ../pool/magazine.c \
	's/if (!(old & r.bit))/if (0)/'
broken "a scan copies a magazine's places" test-pool-magazine ../pool/magazine.c \
	's/got = atomic_exchange_explicit(&places.cached\[w\], 0, memory_order_acquire);/;/'
healthy test-pool-misuse ../pool/guard.c
broken "a pattern is not looked at" test-pool-misuse ../pool/guard.c \
	's/while (from < to && object\[from\] == expected)/while (from < to)/'
broken "what was evicted is not told from what was freed" test-pool-misuse ../pool/guard.c \
	's/state, STATE_LIVE + why)/state, STATE_LIVE + 1)/'
healthy test-pool-sim ../pool/evict.c
broken "bytes that were evicted stay in the account" test-pool-sim ../pool/evict.c \
	's/r->class->taken_bytes -= gone/r->class->taken_bytes -= 0 * gone/'
broken "pages stay" test-pool-sim ../pool/give.c \
	's/done = shrink_os_map_return_many(parts, (int)run->nr);/done = (int)run->nr;/'
broken "survivors are evicted" test-pool-sim ../pool/move.c 's/if (is_young(/if (0 \&\& is_young(/'
broken "sparse slabs are judged as full ones" test-pool-sim ../pool/move.c 's/ ? 1 : load/ ? 256 : load/'
healthy test-pool-huge ../pool/class.c
broken "two slabs share a huge page" test-pool-huge ../pool/class.c \
	's/g.length = SHRINK_CLASS_HUGE;/g.length = SHRINK_CLASS_HUGE \/ 2;/'
broken "large objects have huge pages too" test-pool-huge ../pool/extent.c \
	's/return shrink_class_is_huge(g) ? STRIDES :/return/; s/(uint32_t)shrink_class_is_huge(g)/g->stride == 21/' \
	"never has huge"
healthy test-loop loop.c
broken "a round does not wake the loop for what it left" test-loop loop.c \
	's/shrink_monitor_wake(); .* what came of it.*/(void)0;/' "readable until"
broken "the timer is not set" test-loop loop.c \
	's/shrink_os_timer_set(timer_fd, /(void)(/' "when it is time"
broken "stop does not wait for a dispatch" test-loop loop.c \
	's/while (atomic_exchange(&dispatching, 1))/while (0)/' "a second thread"
SIM_SEEDS=400 # a twin that is not noticed by then is not noticed
export SIM_SEEDS
healthy test-simulation judge.c
broken "reclaim goes on at level NORMAL" test-simulation judge.c \
	's/if (!h->need || (judge.gauge_level == SHRINK_LEVEL_NORMAL && !stalled))/if (!h->need)/'
broken "back-off never ends" test-simulation judge.c 's/return now < when + wait;/return true;/'
broken "no back-off" test-simulation judge.c 's/ || backing_off(now) ||/ ||/'
broken "a gauge that fails once is never read again" test-simulation gauges.c \
	's/if (err < 0 || r.limit/if ((err < 0 \&\& !atomic_exchange(\&e->dropped, 1)) || r.limit/'
broken "the hold of growth never ends" test-simulation level.c 's/if (until && now >= until &&/if (0 \&\&/'
broken "a parked node is never tried again" test-simulation node.c \
	's/(n->parked ? SHRINK_NODE_PROBE_NSEC : wait)/(n->parked ? UINT64_MAX \/ 4 : wait)/'
broken "who gave nothing is never asked again" test-simulation idle.c \
	's/pass->ask_all ||//; s/atomic_store_explicit(&s->skip, skip - 1, memory_order_relaxed);//'
broken "usage is looked at every 5 seconds" test-simulation judge.c \
	's/return shrink_clamp_u64(usec, min, shrink_max_u64(min, max));/return 5000000;/'
unset SIM_SEEDS
healthy test-overshoot judge.c
broken "stall is answered beside the gauges" test-overshoot judge.c \
	's/bool stalled = .*/bool stalled = false;/; s/in_the_dark(now, sig, h) && !shrink_engine_busy() &&/(!h->known || h->need) \&\&/; s/^\t\t shrink_pace_step.*/(goal.priority = next_priority(now, sig->priority), 1))/; s/^\t\t*  *&goal.bytes, &goal.priority))$//' \
	"between the marks"
healthy test-churn gauges.c "sudden"
broken "a neighbour out of nothing is slow" test-churn gauges.c \
	's/^#define SLOPE_SUDDEN .*/#define SLOPE_SUDDEN (128ULL << 20)/' "sudden"
healthy test-overshoot pace.c
broken "each step doubles" test-overshoot pace.c 's/got \/ STEP_DIVISOR/got/' "stall alone"
broken "a step does not wait for the last to be taken" test-overshoot pace.c \
	's/!was_taken(p, now, freed, usage)/0/' "stall alone"
healthy test-renew renew.c
broken "nobody sees that we were moved" test-renew renew.c \
	's/moved = shrink_os_cgroup_moved(&where) > 0;/moved = false;/' "moved: the new"
broken "what has failed is never tried again" test-renew renew.c \
	's/return src->state == SHRINK_SOURCE_FAILED ||/return/' "tried again"
broken "it is tried all the time" test-renew renew.c \
	's/return RETRY_MIN_NSEC << .*/return 0;/' "tried again"
broken "the old group is never closed" test-renew sources.c \
	's/shrink_os_cgroup_close(good ? other : cgroup);/(void)good;/' "moved: the new"
SIM_SEEDS=150
export SIM_SEEDS
plain_libs=$twin_libs
for call in close epoll_ctl eventfd open pread read write; do
	twin_libs="$twin_libs -Wl,--wrap=$call"
done
healthy test-faults renew.c
broken "no file is tried again" test-faults renew.c \
	's/return src->state == SHRINK_SOURCE_FAILED ||/return/'
broken "the group is looked for all the time" test-faults renew.c \
	's/look_at = now + LOOK_NSEC;/look_at = now;/'
broken "what was opened before stays open" test-faults sources.c \
	's/shrink_os_cgroup_close(good ? other : cgroup);/(void)good;/'
SIM_SEEDS=400 # its first is 303
broken "a read that was cut short is taken for all there is" test-faults fd.c \
	's/ \&\& buf\[got - 1\] != .\\n.);/ \&\& 0);/'
SIM_SEEDS=150
broken "what cannot be opened is left out for good" test-faults cgroup.c \
	's/ -EPERM ? 0 : fd;/ -EPERM ? 0 : 0;/'
healthy test-own-stall rest.c
broken "the machine's room counts against our group's stall" test-own-stall judge.c \
	's/return !h->known || (sig->own .*/return !h->known;/' "hidden limit"
broken "a stall beside a known limit is answered" test-own-stall judge.c \
	's/return !h->known || (sig->own .*/return !h->known || sig->own;/; s/if (h->limited)/if (0)/' \
	"known limit"
broken "what stalled under a limit is news when it is lifted" test-own-stall judge.c \
	's/ \&\& now >= judge.limited_until);/);/' "was lifted"
broken "whether the machine reclaims is not looked at" test-own-stall rest.c \
	's/now - rest->since >= window/1/' "a machine that reclaims"
broken "page cache is not looked at" test-own-stall rest.c \
	's/ && !kernel_has_cache(cg);/;/' "page cache"
broken "what swap has measured is forgotten" test-own-stall swap.c \
	's/sig->lacking = .*/;/' "swap alone"
broken "stall frees though there is room" test-faults judge.c \
	's/return !h->known || (sig->own .*/return true;/'
twin_libs=$plain_libs
unset SIM_SEEDS
healthy test-cgroup cgroup-read.c "cannot be read"
broken "a limit that cannot be read is none" test-cgroup cgroup-read.c \
	's/return __atomic_load_n(last, __ATOMIC_RELAXED);/return UINT64_MAX;/' "cannot be read"
healthy test-node ../reclaim/nodes.c
broken "a stuck worker's node is nobody's" test-node ../reclaim/nodes.c \
	's/places.nid..server = to;/(void)to;/' "stuck worker"
broken "a node is filled to twice the mark" test-node node-read.c \
	's/.high = 2 \* step,/.high = 4 * step,/' "to the mark"
healthy test-lru-group list_lru-group.c
broken "a group gets a list while it goes offline" test-lru-group list_lru-group.c \
	's/alive = online(memcg);/alive = true;/' "its list is made"
healthy test-goal walk.c
broken "every small goal asks the first" test-goal walk.c \
	's/after ? after->id : -1/-1/' "in turn"
healthy test-direct direct.c
broken "direct reclaim joins nobody" test-direct direct.c 's/if (!others_free())/if (1)/' joins
broken "direct reclaim waits for ever" test-direct direct.c \
	's/ && shrink_os_clock() < end) {/) {/' "bounded time"
broken "proactive mode does not listen" test-direct proactive.c 's/MISS_ONE - miss/MISS_ONE/' \
	proactive
broken "a probe for nothing delays the answer to pressure" test-direct engine.c \
	's/if (!goal->probe)/if (1)/' refaults
done_testing
