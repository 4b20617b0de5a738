# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Eight servers in one memory group, as a pre-forking server has them: a shortage is
shared, and together they free what is needed and hardly more."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from group import Group
from lib import KVCACHED, TOP_BUILD, Kvcached, Tap, dialogue, skip_all, stats

KVHOG = os.path.join(TOP_BUILD, "tools", "kvload", "kvhog")
MIB = 1 << 20
SERVERS, LIMIT = 8, 256 * MIB
EACH, SIZE = 18 * MIB, 4000
HOG, RATE = 96 * MIB, 200 * MIB

tap = Tap()


def numbers(port):
    return {k: int(v) for k, v in stats(port, "shrink").items() if v.lstrip("-").isdigit()}


def fill(port, number):
    value = b"x" * SIZE
    for i in range(0, EACH // SIZE, 500):
        dialogue(port, b"".join(b"set s%d-%d 0 0 %d noreply\r\n%s\r\n" % (number, k, SIZE, value) for k in range(i, i + 500)) + b"version\r\n", 60)


def settled(group):
    """The usage, once it has stood still for half a second."""
    last, since = group.usage(), time.monotonic()
    until = since + 60
    while time.monotonic() - since < 0.5 and time.monotonic() < until:
        now = group.usage()
        if abs(now - last) > MIB // 4:
            last, since = now, time.monotonic()
        time.sleep(0.05)
    return last


def test_shared(group):
    servers = []
    try:
        for _ in range(SERVERS):
            servers.append(Kvcached("-t", "1", prefix=group.prefix(0), env={"LIBSHRINK_CONF": "low_percent:12"}))
        for i, server in enumerate(servers):
            fill(server.port, i)
        usage, before = settled(group), [numbers(s.port) for s in servers]
        hog = subprocess.Popen([*group.prefix(1000), KVHOG, "-b", str(HOG), "-r", str(RATE), "-H", "2000"], stdout=subprocess.DEVNULL)
        status = hog.wait(120)
        after = [numbers(s.port) for s in servers]
        kills = group.oom_kills()
    finally:
        ends = [s.stop() for s in servers]
    # what would have been in use, less what may be: limit less the mark at which reclaim stops
    need = usage + HOG - (LIMIT - before[0]["high_wmark"])
    freed = [a["returned_bytes"] - b["returned_bytes"] for a, b in zip(after, before)]
    print(f"# usage {usage >> 20} MiB, needed {need >> 20}, freed {sum(freed) >> 20}:", [n >> 20 for n in freed])
    tap.ok(kills == 0 and status == 0 and ends == [0] * SERVERS, "nobody is killed", f"{kills} kills, {status}, {ends}")
    tap.ok(need > 32 * MIB, "there was need", str(need))
    tap.ok(sum(freed) < need * 12 // 10, "together they free at most 1.2 times what is needed",
           f"{sum(freed)} of {need}: {sum(freed) / need:.2f}")
    tap.ok(sum(freed) > need // 2, "and no less than was", str(sum(freed)))


def main():
    for program in (KVCACHED, KVHOG):
        if not os.path.exists(program):
            skip_all(f"{program} is not built")
    try:
        with open("/proc/sys/vm/panic_on_oom") as f:
            if f.read().strip() == "2":
                skip_all("vm.panic_on_oom is 2: too dangerous")
    except OSError:
        pass
    server = Kvcached()
    shadowed = server.shadowed()
    server.stop()
    if shadowed:
        skip_all("a sanitizer's build needs more memory for itself than the group has")
    group = Group(LIMIT)
    if not group.folder:
        skip_all(group.reason)
    try:
        test_shared(group)
    finally:
        group.remove()
    tap.done()


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(99))
main()
