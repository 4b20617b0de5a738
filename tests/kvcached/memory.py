# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""kvcached in a real memory group: it takes what there is, is not killed, gives
back when a neighbour wants half of it, and never hands out a wrong byte."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from group import Group
from lib import KVCACHED, TOP_BUILD, Kvcached, Tap, skip_all, stats

KVLOAD = os.path.join(TOP_BUILD, "tools", "kvload", "kvload")
KVHOG = os.path.join(TOP_BUILD, "tools", "kvload", "kvhog")
LIMIT = 192 << 20
KEYS = 80000  # 9.2 KiB each on average: four times the limit
FILL_SECONDS, READ_SECONDS, HOG_AFTER = 20, 8, 2
HOG_RATE = str(500 << 20)  # a second; the demo has it at full speed, which is a race by nature

tap = Tap()


def figures(port):
    """The numbers of "stats shrink" and "stats"."""
    every = {**stats(port), **stats(port, "shrink")}
    return {k: int(v) for k, v in every.items() if v.lstrip("-").isdigit()}


def load(server, group):
    """Starts the load, the neighbour in its middle; returns the load's totals and
    figures from before, during and after the neighbour."""
    process = subprocess.Popen(
        [KVLOAD, "-s", f"127.0.0.1:{server.port}", "-t", "1", "-c", "8", "-k", str(KEYS), "-F", str(FILL_SECONDS),
         "-S", str(READ_SECONDS), "-r", "8000", "-z", "0.9", "-i", "250", "-g", group.folder],
        stdout=subprocess.PIPE, text=True)
    seen, hog, reading_from, line = [], None, None, None
    for text in process.stdout:
        line = json.loads(text)
        if line["type"] != "tick" or line["phase"] != "read":
            continue
        reading_from = reading_from or line["t"]
        if not hog and line["t"] - reading_from >= HOG_AFTER:
            seen.append(figures(server.port))
            hog = subprocess.Popen([*group.prefix(1000), KVHOG, "-b", str(LIMIT // 2), "-r", HOG_RATE, "-H", "1500"],
                                   stdout=subprocess.PIPE, text=True)
            out, _ = hog.communicate(timeout=60)
            seen.append(figures(server.port) if server.alive() else {})
    process.wait(60)
    seen.append(figures(server.port) if server.alive() else {})
    return line, seen, hog.returncode if hog else None, out if hog else ""


def test_pressure(group):
    # A fast neighbour and little headroom are a race, which is the laboratory's; here a busy
    # machine must not decide, so there is time to be scheduled in.
    server = Kvcached("-t", "2", "-m", "auto", prefix=group.prefix(500), env={"LIBSHRINK_CONF": "low_percent:8"})
    if server.shadowed():
        server.stop()
        tap.skip("a real limit", "a sanitizer's build needs more memory for itself than the cache has")
        return
    try:
        totals, (before, during, after), hog_status, hog_out = load(server, group)
        kills = group.oom_kills()
        print(f"# {totals}")
        print("# hog:", *(line for line in hog_out.splitlines() if "full" in line))
        for name, f in (("before", before), ("with the neighbour", during), ("after", after)):
            print(f"# {name}:", {k: f.get(k) for k in (
                "curr_items", "bytes", "rounds", "freed_bytes", "returned_bytes", "pool:resident_bytes", "store:evicted_bytes",
                "store:replaced", "store:refused", "cache:negative:freed_objects")})
        if not tap.ok(kills == 0 and server.alive(), "not killed: filled to four times the limit, a neighbour takes half",
                      f"{kills} OOM kills"):
            return
        tap.ok(totals["bad"] == 0 and totals["garbled"] == 0 and totals["hits"] > 1000, "every value got back carries its checksum",
               f"{totals['bad']} bad, {totals['garbled']} garbled of {totals['hits']}")
        tap.ok(before["pool:resident_bytes"] > LIMIT * 6 // 10, "before, the cache had most of the limit",
               str(before["pool:resident_bytes"]))
        tap.ok(hog_status == 0 and '"full"' in hog_out, "the neighbour got its half", f"status {hog_status}", hog_out)
        given = before["pool:resident_bytes"] - during["pool:resident_bytes"]
        tap.ok(given > LIMIT // 4, "the cache gave memory back", f"{given} bytes")
        evicted = after["store:evicted_bytes"] - before["store:evicted_bytes"]
        returned = after["returned_bytes"] - before["returned_bytes"]
        tap.ok(returned >= evicted * 8 // 10, "at least 0.8 byte is returned per byte evicted", f"{returned} of {evicted}")
        tap.ok(after["pool:resident_bytes"] > during["pool:resident_bytes"], "the cache grows again afterwards",
               f"{during['pool:resident_bytes']} -> {after['pool:resident_bytes']}")
        tap.ok(after["misuses"] == 0 and after["overruns"] == 0 and after["pending_bytes"] == 0, "no misuse, no overrun, nothing left pending",
               *(f"{k} {after[k]}" for k in ("misuses", "overruns", "pending_bytes")))
    finally:
        status = server.stop()
    tap.ok(status == 0, "a clean end", f"status {status}")


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
    group = Group(LIMIT)
    if not group.folder:
        skip_all(group.reason)
    try:
        test_pressure(group)
    finally:
        group.remove()
    tap.done()


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(99))
main()
