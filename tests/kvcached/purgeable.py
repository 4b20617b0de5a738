# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""kvcached --purgeable: the kernel takes values by itself, also from a server that is
stopped; what it took is a miss, and nothing is ever torn."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from group import Group
from lib import KVCACHED, QUIET, TOP_BUILD, Kvcached, Tap, dialogue, skip_all, stats

KVLOAD = os.path.join(TOP_BUILD, "tools", "kvload", "kvload")
KVHOG = os.path.join(TOP_BUILD, "tools", "kvload", "kvhog")
MIB = 1 << 20
LIMIT, HOG = 96 * MIB, 64 * MIB
VALUES, SIZE = 6000, 9000  # 12 KiB of pages each: 70 MiB

tap = Tap()


def value_of(number):
    return (b"%d." % number * SIZE)[:SIZE]


def fill(port):
    for i in range(0, VALUES, 200):
        dialogue(port, b"".join(b"set k%d 0 0 %d noreply\r\n%s\r\n" % (k, SIZE, value_of(k)) for k in range(i, i + 200)) + b"version\r\n", 60)


def read_all(port):
    """(there, not what was set)"""
    there = torn = 0
    for i in range(0, VALUES, 100):
        rest = dialogue(port, b"get " + b" ".join(b"k%d" % k for k in range(i, i + 100)) + b"\r\n", 60)
        while rest.startswith(b"VALUE "):
            head, _, rest = rest.partition(b"\r\n")
            there += 1
            torn += rest[:SIZE] != value_of(int(head.split()[1][1:]))
            rest = rest[SIZE + 2:]
    return there, torn


def figures(port):
    return {k: int(v) for k, v in {**stats(port), **stats(port, "shrink")}.items() if v.lstrip("-").isdigit()}


def in_group(*args, conf="off"):
    """A server in a group of its own; the library is off: what happens the kernel does."""
    group = Group(LIMIT)
    if not group.folder:
        skip_all(group.reason)
    try:
        return group, Kvcached("-t", "2", *args, prefix=group.prefix(0), env={"LIBSHRINK_CONF": conf})
    except BaseException:
        group.remove()
        raise


def stopped(*args):
    """Stopped and pressed: was the neighbour killed? And the figures afterwards."""
    group, server = in_group(*args)
    try:
        fill(server.port)
        before = figures(server.port)
        server.process.send_signal(signal.SIGSTOP)
        hog = subprocess.run([*group.prefix(1000), KVHOG, "-b", str(HOG), "-H", "0"], capture_output=True, text=True, timeout=120, check=False)
        kills = group.oom_kills()
        server.process.send_signal(signal.SIGCONT)
        there, torn = read_all(server.port)
        after = figures(server.port)
        again = dialogue(server.port, b"set k1 0 0 %d\r\n%s\r\nget k1\r\n" % (SIZE, value_of(1)), 60)
        return {"killed": kills + (hog.returncode != 0), "there": there, "torn": torn, "before": before, "after": after,
                "again": again.startswith(b"STORED\r\nVALUE k1") and value_of(1) in again, "status": server.stop()}
    finally:
        server.stop(signal.SIGKILL)
        group.remove()


def test_stopped():
    got = stopped("--purgeable")
    taken = got["after"]["region:purged_by_kernel_bytes"]
    print(f"# {got['there']} of {VALUES} there, {taken >> 20} MiB taken,", {k: v for k, v in got["after"].items() if k.startswith("region:")})
    tap.ok(got["before"]["region:objects"] == VALUES, "the values lie in the region", str(got["before"]["region:objects"]))
    tap.ok(got["killed"] == 0 and taken > HOG // 4, "stopped, and a neighbour wants its memory: it comes back, nobody is killed",
           f"{got['killed']} killed, {taken} bytes taken")
    tap.ok(got["torn"] == 0 and 0 < got["there"] < VALUES, "what is there is whole", f"{got['torn']} torn of {got['there']}")
    tap.ok(got["after"]["store:purged"] == VALUES - got["there"] and got["after"]["curr_items"] == got["there"] and
           got["after"]["region:trespasses"] == 0, "what was taken is a miss, and its item is gone",
           str({k: got["after"][k] for k in ("store:purged", "curr_items", "region:trespasses")}))
    tap.ok(got["again"] and got["status"] == 0, "it can be stored again, and the end is clean", str(got["status"]))
    twin = stopped()
    tap.ok(twin["killed"] > 0, "the twin: values in the pool alone, and somebody is killed", str(twin["killed"]))


def load(conf):
    """Four times the limit, while values are read and written."""
    group, server = in_group("--purgeable", "-m", "512", conf=conf)
    try:
        done = subprocess.run([KVLOAD, "-s", f"127.0.0.1:{server.port}", "-t", "2", "-c", "16", "-k", "30000", "-m", "4096", "-M", "20000",
                               "-F", "60", "-n", "40000", "-S", "120", "-z", "0.9", "-i", "60000"],
                              stdout=subprocess.PIPE, text=True, timeout=240, check=False)
        total, f, kills = json.loads(done.stdout.splitlines()[-1]), figures(server.port), group.oom_kills()
    finally:
        status = server.stop()
        group.remove()
    print("#", {k: total[k] for k in ("gets", "hits", "bad", "garbled", "refused", "max_usec")},
          {k: v for k, v in f.items() if k.startswith("region:") or k == "store:purged"})
    how = "without the library" if conf == "off" else "with it"
    tap.ok(kills == 0 and status == 0, f"under load in a group too small, {how}: nobody is killed", f"{kills} kills, status {status}")
    tap.ok(total["bad"] + total["garbled"] == 0 and total["hits"] > 1000, f"{how}: no value is torn", str(total["bad"]))
    return f


def test_load():
    f = load("off")
    tap.ok(f["store:purged"] > 1000 and f["region:purged_by_kernel_bytes"] > LIMIT, "because the kernel took them", str(f["store:purged"]))
    f = load("")
    tap.ok(f["store:purged"] + f["store:evicted"] + f["store:replaced"] > 1000 and f["misuses"] == 0, "with it: either of them made room", str(f))


def test_own():
    """Without pressure of the kernel's: a ceiling, a tenant's max, and all that one can do with a value."""
    server = Kvcached("--purgeable", "-m", "64", "--tenant=t,max=16m")
    port = server.port
    big = b"y" * 50000
    answers = dialogue(port, b"set t:a 0 0 50000\r\n%s\r\nappend t:a 0 0 3\r\nend\r\nprepend t:a 0 0 5\r\nbegin\r\nget t:a\r\ntouch t:a 0\r\n"
                       b"gets t:a\r\ndelete t:a\r\nget t:a\r\n" % big, 60)
    tap.ok(answers.startswith(b"STORED\r\n" * 3) and answers.count(b"begin" + big + b"end\r\nEND\r\n") == 2 and
           answers.endswith(b"DELETED\r\nEND\r\n") and b"TOUCHED" in answers, "append, prepend, touch, delete", repr(answers[-80:]))
    for i in range(2000):
        dialogue(port, b"".join(b"set t:k%d 0 0 20000 noreply\r\n%s\r\n" % (i * 50 + k, big[:20000]) for k in range(50)) + b"version\r\n", 60)
        if i * 50 * 20000 > 40 * MIB:
            break
    f = {k: int(v) for k, v in stats(port, "tenants").items() if v.isdigit()}
    tap.ok(f["t:usage"] <= 16 * MIB and f["t:items"] > 400 and f["t:replaced"] + f["t:evicted"] > 800 and f["t:refused"] == 0,
           "a tenant's max holds for values in the region", str({k: v for k, v in f.items() if k.startswith("t:")}))
    dialogue(port, b"tenant t empty\r\n", 60)
    f = figures(port)
    tap.ok(f["region:objects"] == 0 and f["pool:live_objects"] == 0, "emptied, nothing is left", str(f["region:objects"]))
    tap.ok(server.stop() == 0, "a clean end")
    for args in (["--policy=lruvec"], ["--allocator=malloc"]):
        done = subprocess.run([KVCACHED, "-p", "0", "--purgeable", *args], capture_output=True, text=True, timeout=20, check=False, env={**QUIET, **os.environ})
        tap.ok(done.returncode == 2 and done.stderr.startswith("kvcached: --purgeable: "), f"with {args[0]}: refused", done.stderr)


def main():
    for program in (KVCACHED, KVLOAD, KVHOG):
        if not os.path.exists(program):
            skip_all(f"{program} is not built")
    try:
        with open("/proc/sys/vm/panic_on_oom") as f:
            if f.read().strip() == "2":
                skip_all("vm.panic_on_oom is 2: too dangerous")
    except OSError:
        pass
    test_own()
    server = Kvcached()
    shadowed = server.shadowed()
    server.stop()
    if shadowed:
        tap.skip("pressed by the kernel", "a sanitizer's build needs more memory for itself than the group has")
    else:
        test_stopped()
        test_load()
    tap.done()


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(99))
main()
