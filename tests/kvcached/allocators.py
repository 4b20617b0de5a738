# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""kvcached --allocator: the same items, evicted by the same limit, and what of it the
system gets back from each; under a budget, each keeps what it holds whole."""
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import KVCACHED, QUIET, Kvcached, Tap, dialogue, skip_all, stats

JEMALLOC = "libjemalloc.so.2"
MIB = 1 << 20
ITEMS, SIZE = 24000, 700

tap = Tap()
SANITIZED = False  # has an allocator of its own, which no other may come before


def environment(allocator):
    """What the server needs; None: it cannot be had."""
    if allocator != "jemalloc":
        return {}
    if SANITIZED:
        return None
    env = {**os.environ, "LD_PRELOAD": JEMALLOC}
    said = subprocess.run(["true"], capture_output=True, text=True, env=env, check=False).stderr
    return None if JEMALLOC in said else {"LD_PRELOAD": JEMALLOC}


def anonymous(pid):
    with open(f"/proc/{pid}/status") as status:
        return sum(int(line.split()[1]) << 10 for line in status if line.startswith(("RssAnon:", "RssShmem:")))


def numbers(port, what="shrink"):
    return {k: int(v) for k, v in stats(port, what).items() if v.lstrip("-").isdigit()}


def sealed(number, size):
    """The one value that belongs to the key."""
    return (b"%d." % number * (size // 2))[:size]


def fill(port, first, last, size):
    for i in range(first, last, 500):
        dialogue(port, b"".join(b"set k%d 0 0 %d noreply\r\n%s\r\n" % (k, size, sealed(k, size))
                                for k in range(i, min(i + 500, last))) + b"version\r\n", 60)


def found(port, keys):
    """How many of the keys are there, and how many of those are not what was set."""
    there = torn = 0
    for i in range(0, len(keys), 500):
        rest = dialogue(port, b"get " + b" ".join(b"k%d" % k for k in keys[i:i + 500]) + b"\r\n", 60)
        while rest.startswith(b"VALUE "):
            head, _, rest = rest.partition(b"\r\n")
            size = int(head.split()[3])
            there += 1
            torn += rest[:size] != sealed(int(head.split()[1][1:]), size)
            rest = rest[size + 2:]
    return there, torn


def evicted(allocator, policy):
    """Half of what there is goes by a lowered max, which is paid before the answer."""
    server = Kvcached("-t", "2", "--tenants", f"--allocator={allocator}", f"--policy={policy}", env=environment(allocator))
    port, shadowed = server.port, server.shadowed()
    name = f"{allocator}, {policy}"
    fill(port, 0, ITEMS, SIZE)
    rng = random.Random(1)
    used = rng.sample(range(ITEMS), ITEMS // 8)  # an eighth is in use, wherever it lies
    for _ in range(3):
        found(port, used)
    usage = numbers(port, "tenants")["default:usage"]
    before, rss = numbers(port), anonymous(server.process.pid)
    answer = dialogue(port, b"tenant default max %d\r\n" % (usage // 2))
    after, fell = numbers(port), rss - anonymous(server.process.pid)
    gone = after["store:evicted_bytes"] - before["store:evicted_bytes"]
    returned = fell / gone if gone else 0
    kept, torn = found(port, used)
    there, more = found(port, range(ITEMS))
    print(f"# {name}: evicted {gone >> 10} KiB, fell by {fell >> 10} KiB, {returned:.2f} a byte; of those in use {kept / len(used):.2f} kept")
    tap.ok(answer == b"OK\r\n" and numbers(port, "tenants")["default:usage"] <= usage // 2 and gone > usage // 3,
           f"{name}: the limit is paid for", answer.decode(), f"{gone} of {usage} evicted")
    tap.ok(not torn and not more and there == int(stats(port)["curr_items"]) and there > ITEMS // 4, f"{name}: what is left is whole",
           f"{torn + more} torn, {there} there")
    tap.ok(kept > len(used) * 8 // 10, f"{name}: and it is what was in use", f"{kept} of {len(used)}")
    # the twin of the figures above: it was the places, not the eviction. Emptied, all come back.
    dialogue(port, b"tenant default empty\r\n")
    tap.ok(int(stats(port)["curr_items"]) == 0 and numbers(port, "tenants")["all:usage"] < MIB, f"{name}: emptied, nothing is charged",
           str(numbers(port, "tenants")["all:usage"]))
    tap.ok(server.stop() == 0, f"{name}: a clean end")
    return None if shadowed else returned


def test_returned():
    listed = {}
    for policy in ("lruvec", "clock"):
        share = {}
        for allocator in ("pool", "malloc", "jemalloc"):
            if environment(allocator) is None:
                tap.skip(f"{allocator}, {policy}", f"no {JEMALLOC} here")
            else:
                share[allocator] = evicted(allocator, policy)
        if None in share.values():
            tap.skip("what comes back", "a sanitizer's allocator keeps what is freed")
            continue
        tap.ok(share["pool"] > 0.9, f"{policy}: of what the pool evicts nine tenths come back", str(share))
        tap.ok(share["malloc"] < share["pool"] - 0.25, f"{policy}: of malloc's much less", str(share))
        if policy == "clock" and "jemalloc" in share:
            tap.ok(share["jemalloc"] > listed["jemalloc"], "jemalloc: sparse slabs first bring more than the lists' order",
                   f"{share['jemalloc']:.3f} against {listed['jemalloc']:.3f}")
        listed = share


def test_budget(allocator):
    """Three times the budget is stored: nothing breaks, and it is about kept."""
    budget, size = 40 * MIB, 9000
    server = Kvcached("-t", "2", f"--allocator={allocator}", env={**environment(allocator), "LIBSHRINK_CONF": f"rss_budget:{budget}"})
    port, most = server.port, 0
    if server.shadowed():
        server.stop()
        tap.skip(f"{allocator}: a budget", "a sanitizer's build needs more memory for itself than the cache has")
        return
    last = 3 * budget // size
    for first in range(0, last, 1000):
        fill(port, first, min(first + 1000, last), size)
        most = max(most, anonymous(server.process.pid))
    there, torn = found(port, range(last))
    f = numbers(port)
    print(f"# {allocator}: at most {most >> 20} of {budget >> 20} MiB;",
          {k: f[k] for k in ("rounds", "freed_bytes", "returned_bytes", "fragmented", "store:evicted", "store:replaced", "store:refused")})
    tap.ok(torn == 0 and there * size > budget // 3, f"{allocator}: a budget: what is kept is whole, and no little", f"{torn} torn of {there}")
    # how far a burst gets before it is noticed depends on the machine; that it is taken back does not
    for _ in range(300):
        if anonymous(server.process.pid) <= budget:
            break
        time.sleep(0.1)
    tap.ok(anonymous(server.process.pid) <= budget, f"{allocator}: the budget is kept", f"{anonymous(server.process.pid)} of {budget}")
    tap.ok(f["store:replaced"] + f["store:evicted"] > last // 3 and f["store:refused"] == 0 and f["misuses"] == 0,
           f"{allocator}: old items went for new ones, and no store was refused", str(f))
    tap.ok(server.stop() == 0, f"{allocator}: a clean end")


def refused(name, args, env, words):
    done = subprocess.run([KVCACHED, "-p", "0", *args], capture_output=True, text=True, timeout=20, check=False, env={**QUIET, **os.environ, **env})
    tap.ok(done.returncode == 2 and all(word in done.stderr for word in words) and done.stderr.count("\n") == 1, name,
           f"status {done.returncode}", done.stderr)


def test_errors():
    refused("an allocator that is none", ["--allocator=tcmalloc"], {}, ["--allocator tcmalloc", "pool, malloc or jemalloc"])
    refused("jemalloc without jemalloc: what to do is said", ["--allocator=jemalloc"], {"LD_PRELOAD": ""},
            ["--allocator jemalloc", "no jemalloc 5", f"LD_PRELOAD={JEMALLOC}"])
    for allocator in ("pool", "malloc"):
        server = Kvcached(f"--allocator={allocator}", "-m", "8")
        fill(server.port, 0, 16000, SIZE)
        f, settings = numbers(server.port), stats(server.port, "settings")
        tap.ok(settings["allocator"] == allocator and f["pool:live_bytes"] <= 8 * MIB and f["store:replaced"] > 1000,
               f"{allocator}: stats say which, and -m holds", settings["allocator"], str(f["pool:live_bytes"]))
        server.stop()


def main():
    if not os.path.exists(KVCACHED):
        skip_all(f"{KVCACHED} is not built")
    global SANITIZED
    server = Kvcached()
    SANITIZED = server.shadowed()
    server.stop()
    test_errors()
    test_returned()
    for allocator in ("pool", "malloc", "jemalloc"):
        if environment(allocator) is None:
            tap.skip(f"{allocator}: a budget", f"no {JEMALLOC} here")
        else:
            test_budget(allocator)
    tap.done()


main()
