# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""kvcached's tenants: whose a key is, limits that are paid by oneself, protection under
real pressure, sums that agree, memory that comes back, and which items go."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from group import Group
from lib import KVCACHED, TOP_BUILD, Kvcached, Tap, dialogue, skip_all, stats

KVLOAD = os.path.join(TOP_BUILD, "tools", "kvload", "kvload")
MIB = 1 << 20
VALUE = 1000

tap = Tap()


def tenants(port):
    """stats tenants, numbers as numbers, by tenant."""
    found = {}
    for name, value in stats(port, "tenants").items():
        who, colon, what = name.partition(":")
        if colon:
            found.setdefault(who, {})[what] = int(value) if value.isdigit() else value
    return found


def rss(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def fill(port, prefix, megabytes, size=VALUE):
    """Stores so much under the prefix; how many keys that were."""
    n = megabytes * MIB // size
    value = b"x" * size
    for i in range(0, n, 500):
        dialogue(port, b"".join(b"set %s%d 0 0 %d noreply\r\n%s\r\n" % (prefix, k, size, value)
                                for k in range(i, min(i + 500, n))) + b"version\r\n", 60)
    return n


def present(port, prefix, n):
    """How many of the keys are still there."""
    found = 0
    for i in range(0, n, 1000):
        keys = b" ".join(b"%s%d" % (prefix, k) for k in range(i, min(i + 1000, n)))
        found += dialogue(port, b"get " + keys + b"\r\n", 60).count(b"VALUE ")
    return found


def load(port, *args):
    """kvload's last line."""
    done = subprocess.run([KVLOAD, "-s", f"127.0.0.1:{port}", "-i", "60000", *args], stdout=subprocess.PIPE, text=True,
                          timeout=300, check=False)
    return json.loads(done.stdout.splitlines()[-1])


def ask(port, line):
    return dialogue(port, line + b"\r\n").decode().rstrip("\r\n")


def test_names():
    server = Kvcached("--tenant=acme,max=1m", "--tenant=beta", "--delimiter=/")
    port = server.port
    dialogue(port, b"set acme/a 0 0 1\r\nx\r\nset beta/a 0 0 2\r\nxx\r\nset nobody/a 0 0 3\r\nxxx\r\nset a 0 0 4\r\nxxxx\r\n")
    t = tenants(port)
    tap.ok([t[n]["items"] for n in ("acme", "beta", "default", "all")] == [1, 1, 2, 4],
           "a key is its prefix's tenant's, or the default one's", str(t))
    answer = dialogue(port, b"get acme/a beta/a nobody/a a\r\n")
    tap.ok(answer.count(b"VALUE ") == 4 and b"VALUE acme/a 0 1\r\nx\r\n" in answer, "and is found again", repr(answer))
    dialogue(port, b"get acme/none\r\n")
    t = tenants(port)
    tap.ok((t["acme"]["hits"], t["acme"]["misses"], t["acme"]["sets"], t["beta"]["hits"]) == (1, 1, 1, 1),
           "hits, misses and sets are counted for each", str(t))
    made = ask(port, b"tenant nobody new max 2m low 64k")
    t = tenants(port)
    tap.ok(made == "OK" and t["nobody"]["items"] == 0 and t["default"]["items"] == 1 and
           (t["nobody"]["max"], t["nobody"]["low"], t["nobody"]["high"]) == (2 * MIB, 65536, "none"),
           "a tenant made at run time begins empty: what had its prefix is gone", made, str(t))
    tap.ok(ask(port, b"get nobody/a") == "END", "and is not found as somebody else's")
    dialogue(port, b"set nobody/a 0 0 1\r\nx\r\nappend nobody/a 0 0 1\r\ny\r\nset nobody/n 0 0 1\r\n9\r\nincr nobody/n 1\r\n")
    tap.ok(tenants(port)["nobody"]["items"] == 2 and b"\r\nxy\r\n" in dialogue(port, b"get nobody/a\r\n"),
           "append and incr stay with the tenant")
    tap.ok(ask(port, b"tenant nobody empty") == "OK" and tenants(port)["nobody"]["items"] == 0 and
           tenants(port)["acme"]["items"] == 1, "tenant NAME empty: all of one, nothing of others")
    one = dict(line.split(" ", 2)[1:] for line in ask(port, b"tenant acme").split("\r\n") if line.startswith("STAT "))
    tap.ok(one.get("acme:max") == str(MIB) and all(k.startswith("acme:") for k in one), "tenant NAME: one's statistics", str(one))
    tap.ok(server.stop() == 0, "a clean end")


def test_errors():
    server = Kvcached("--tenant=acme", "-m", "8")
    port = server.port
    for line, answer in (
            (b"tenant", "ERROR"), (b"tenant acme max", "CLIENT_ERROR bad limit"), (b"tenant acme max -1", "CLIENT_ERROR bad limit"),
            (b"tenant acme max 1x", "CLIENT_ERROR bad limit"), (b"tenant acme most 1", "CLIENT_ERROR bad limit"),
            (b"tenant acme max 99999999999g", "CLIENT_ERROR bad limit"), (b"tenant none max 1", "CLIENT_ERROR no such tenant"),
            (b"tenant acme new", "CLIENT_ERROR there is such a tenant"), (b"tenant a:b new", "CLIENT_ERROR bad name"),
            (b"tenant all new", "CLIENT_ERROR bad name"), (b"tenant " + b"n" * 33 + b" new", "CLIENT_ERROR bad name"),
            (b"tenant b new max 1 low", "CLIENT_ERROR bad limit"), (b"tenant b", "CLIENT_ERROR no such tenant"),
            (b"tenant acme min 9m", "CLIENT_ERROR min of all"), (b"tenant acme min 6m", "OK"),
            (b"tenant default min 3m", "CLIENT_ERROR min of all"), (b"tenant acme min none", "CLIENT_ERROR min of all"),
            (b"tenant acme max 2m max none", "OK"), (b"tenant acme max 1m noreply", "")):
        got = ask(port, line)
        tap.ok(got == answer if answer in ("OK", "") else got.startswith(answer), f"{line.decode()[:40]}: {answer or 'no answer'}", got)
    for i in range(100):
        got = ask(port, b"tenant t%d new" % i)
        if got != "OK":
            break
    if server.shadowed():
        tap.skip("64 tenants", "a sanitizer's build has no addresses for so many pools")
    else:
        tap.ok(got == "SERVER_ERROR too many tenants" and i == 62 and "OK" == ask(port, b"tenant t61 max 1m"),
               "64 tenants with the default one, and then no more", f"{i}: {got}")
    server.stop()
    server = Kvcached()
    tap.ok(ask(server.port, b"tenant acme new").startswith("CLIENT_ERROR no tenants here"), "no tenants where none were asked for")
    server.stop()
    for option in ("--tenant=", "--tenant=all", "--tenant=a,max", "--tenant=a,max=1x", "--tenant=a,foo=1", "--delimiter=ab",
                   "--delimiter=a", "--policy=mru"):
        done = subprocess.run([KVCACHED, "-p", "0", option], capture_output=True, text=True, timeout=20, check=False)
        tap.ok(done.returncode == 2 and done.stderr.startswith("kvcached: --"), f"{option} is refused", done.stderr)


def sums_agree(port):
    t = tenants(port)
    pool = sum(int(v) for k, v in stats(port, "slabs").items() if k.endswith(":total_bytes"))
    parts = sum(v["usage"] for k, v in t.items() if k != "all")
    return t["all"]["usage"] == parts == pool, f"all {t['all']['usage']}, parts {parts}, pool {pool}"


def test_noisy(policy):
    """One tenant stores four times its max."""
    server = Kvcached("-t", "2", f"--policy={policy}", "--tenant=noisy,max=8m", "--tenant=quiet")
    port = server.port
    n = fill(port, b"quiet:", 3)
    m = fill(port, b"", 2)
    load(port, "-a", "noisy:", "-k", "16000", "-c", "4", "-t", "2", "-n", "20000", "-m", "1000", "-M", "4000", "-S", "60")
    t = tenants(port)
    tap.ok(t["noisy"]["usage"] <= 8 * MIB and t["noisy"]["resident"] < 11 * MIB, f"{policy}: max holds, in items and in pages",
           str(t["noisy"]))
    tap.ok(t["noisy"]["usage"] > 6 * MIB, f"{policy}: and is made use of", str(t["noisy"]))
    tap.ok(present(port, b"quiet:", n) == n and present(port, b"", m) == m and t["quiet"]["evicted"] + t["quiet"]["replaced"] == 0,
           f"{policy}: nobody else loses an item", str(t["quiet"]))
    tap.ok(t["noisy"]["refused"] == 0 and t["noisy"]["replaced"] > 1000, f"{policy}: its own go, and no store is refused", str(t["noisy"]))
    tap.ok(*sums_agree(port)[:1], f"{policy}: the parts are the whole", sums_agree(port)[1])
    before = rss(server.process.pid)
    answer = ask(port, b"tenant noisy max 2m")
    t, after = tenants(port), rss(server.process.pid)
    shadowed = server.shadowed()
    tap.ok(answer == "OK" and t["noisy"]["usage"] <= 2 * MIB and t["noisy"]["evicted"] > 0 and t["noisy"]["reclaimed_bytes"] > 3 * MIB,
           f"{policy}: a max lowered is paid before the answer", answer, str(t["noisy"]))
    tap.ok(shadowed or before - after > 4 * MIB, f"{policy}: and the memory comes back", f"{before} -> {after}")
    # the twin: without its limit it takes what it needs, so it was the limit that held
    ask(port, b"tenant noisy max none")
    load(port, "-a", "noisy:", "-k", "16000", "-f", "0", "-c", "4", "-n", "40000", "-z", "0", "-m", "1000", "-M", "4000", "-S", "60")
    tap.ok(tenants(port)["noisy"]["usage"] > 12 * MIB, f"{policy}: without max it takes more", str(tenants(port)["noisy"]))
    tap.ok(server.stop() == 0, f"{policy}: a clean end")


class Pressed:
    """A server that may have little: in a memory group of its own, or by a budget."""

    def __init__(self, limit, *args):
        self.group = Group(limit)
        prefix, env = (), {}
        if self.group.folder:
            prefix = self.group.prefix(0)
        else:
            env = {"LIBSHRINK_CONF": f"rss_budget:{limit}"}
        self.server = Kvcached("-t", "2", *args, prefix=prefix, env=env)
        self.how = f"group of {limit >> 20} MiB" if self.group.folder else f"budget of {limit >> 20} MiB"

    def stop(self):
        status = self.server.stop()
        if self.group.folder:
            self.group.remove()
        return status


def lost_under_pressure(gold):
    """gold has 12 MiB, and everybody else stores far more than there is."""
    pressed = Pressed(64 * MIB, "--policy=lruvec", f"--tenant=gold,{gold}", "--tenant=noisy")
    port = pressed.server.port
    if pressed.server.shadowed():
        pressed.stop()
        return None
    try:
        n = fill(port, b"gold:", 12)
        load(port, "-a", "noisy:", "-k", "12000", "-f", "12000", "-c", "4", "-n", "6000", "-m", "4000", "-M", "16000", "-S", "30")
        # Held growth alone would spare gold: megabytes at once have to be taken from somebody
        for burst in range(60):
            dialogue(port, b"".join(b"set noisy:b%d 0 0 100000 noreply\r\n%s\r\n" % (i, b"b" * 100000)
                                    for i in range(burst * 100, burst * 100 + 100)), 60)
            if tenants(port)["gold"]["evicted"]:
                break
        t = tenants(port)
        print(f"# {gold}, {pressed.how}: gold {t['gold']}")
        print(f"# noisy {t['noisy']}")
        return n - present(port, b"gold:", n), t, sums_agree(port), pressed.stop()
    finally:
        pressed.stop()


def test_protected():
    result = lost_under_pressure("min=16m")
    if result is None:
        tap.skip("protection under pressure", "a sanitizer's build needs more memory for itself than the cache has")
        return
    lost, t, sums, status = result
    taken = t["noisy"]["evicted"] + t["noisy"]["replaced"]
    tap.ok(lost == 0 and t["gold"]["evicted"] + t["gold"]["replaced"] == 0, "min: nothing is lost while the process is pressed", f"{lost} lost")
    tap.ok(taken > 1000, "because others pay", str(t["noisy"]))
    tap.ok(*sums[:1], "under pressure, too, the parts are the whole", sums[1])
    tap.ok(status == 0, "a clean end", str(status))
    # the twin: without protection it pays like everybody
    lost = lost_under_pressure("min=0")[0]
    tap.ok(lost > 0, "without min something is lost", f"{lost} lost")


def test_ceiling():
    """-m for all: who has little gets its share from who has much."""
    server = Kvcached("-t", "2", "-m", "16", "--tenant=gold,min=4m", "--tenant=late", "--tenant=big")
    port = server.port
    n = fill(port, b"gold:", 3)
    fill(port, b"big:", 24)
    t = tenants(port)
    tap.ok(t["all"]["usage"] <= 16 * MIB and t["big"]["usage"] > 10 * MIB, "one may have what the others leave", str(t["all"]))
    fill(port, b"late:", 12)
    t = tenants(port)
    tap.ok(t["all"]["usage"] <= 16 * MIB and t["late"]["usage"] >= 3 * MIB, "who comes late gets its share", str(t["late"]))
    tap.ok(t["big"]["evicted"] > 0 and present(port, b"gold:", n) == n, "from who has much, not from who is protected", str(t["big"]))
    tap.ok(t["late"]["refused"] + t["big"]["refused"] == 0, "no store is refused")
    tap.ok(server.stop() == 0, "a clean end")


def pin(port, prefix, n):
    """Clients that ask for a MiB each and read nothing: reclaim cannot take what they were given."""
    clients = []
    value = b"v" * (1 << 20)
    for i in range(n):
        dialogue(port, b"".join(b"set %sbig%d-%d 0 0 %d noreply\r\n%s\r\n" % (prefix, i, k, len(value), value) for k in range(3)), 60)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.sendall(b"get " + b" ".join(b"%sbig%d-%d" % (prefix, i, k) for k in range(3)) + b"\r\n")
        clients.append(s)
    return clients


def test_high():
    """A tenant over its high that reclaim cannot help: its clients wait, and nobody else."""
    server = Kvcached("-t", "1", "--tenant=slow", "--tenant=other")
    port = server.port
    clients = pin(port, b"slow:", 12)
    until = time.monotonic() + 60
    while int(tenants(port)["slow"]["hits"]) < 24 and time.monotonic() < until:
        time.sleep(0.05)
    ask(port, b"tenant slow high 1m")
    usage = tenants(port)["slow"]["usage"]
    ask(port, b"tenant slow high %d" % (usage * 32 // 33))
    line = b"".join(b"set slow:k%d 0 0 200000\r\n%s\r\n" % (i, b"x" * 200000) for i in range(8))
    stored = dialogue(port, line, 120)
    t = tenants(port)
    tap.ok(usage > 6 * MIB and t["slow"]["events_high"] > 0 and t["slow"]["throttled"] > 2 and t["slow"]["throttled_usec"] > 2 * 10000,
           "over high: its client waits between its requests", str(t["slow"]))
    tap.ok(stored == b"STORED\r\n" * 8, "and is answered all the same, also after it has said all", repr(stored[-200:]))
    # One thread serves both: a client of another tenant's gets through while this one waits
    ask(port, b"tenant slow high %d" % (usage // 3))
    waiting = socket.create_connection(("127.0.0.1", port))
    waiting.sendall(line)
    until = time.monotonic() + 60
    while tenants(port)["slow"]["throttled"] == t["slow"]["throttled"] and time.monotonic() < until:
        time.sleep(0.01)
    answers = dialogue(port, b"".join(b"set other:k%d 0 0 1\r\nx\r\nget other:k%d\r\n" % (i, i) for i in range(1000)), 60)
    still = tenants(port)
    waiting.settimeout(0)
    try:
        done = waiting.recv(1 << 20).count(b"STORED")
    except BlockingIOError:
        done = 0
    tap.ok(answers.count(b"STORED") == answers.count(b"END") == 1000 and done < 8 and still["other"]["throttled"] == 0,
           "over high: other tenants' clients on the same thread do not wait", f"{done} of 8 done", str(still["other"]))
    waiting.close()
    # the twin: it was the limit
    ask(port, b"tenant slow high none")
    before = tenants(port)["slow"]["throttled"]
    dialogue(port, line, 60)
    tap.ok(tenants(port)["slow"]["throttled"] == before, "without high nobody waits", str(tenants(port)["slow"]))
    for s in clients:
        s.close()
    tap.ok(server.stop() == 0, "a clean end")


def policy_hits(policy, *args):
    server = Kvcached("-t", "1", f"--policy={policy}", "--tenant=t,max=8m")
    total = load(server.port, "-a", "t:", "-t", "1", "-c", "1", "-f", "0", "-n", "60000", "-S", "120", "-m", "500", "-M", "1500", *args)
    t = tenants(server.port)["t"]
    server.stop()
    return total["hit_rate"], t


def test_policy():
    """The same questions to both: three scans' reads for each that asks again."""
    clock, _ = policy_hits("clock", "-L", "75", "-k", "5000", "-z", "0.3")
    lists, t = policy_hits("lruvec", "-L", "75", "-k", "5000", "-z", "0.3")
    print(f"# clock {clock}, lruvec {lists}")
    tap.ok(lists >= clock, "a scan: lists and working set hit no less than the clock", f"{lists} < {clock}")
    tap.ok(t["refaults"] > 100 and t["refaults_activated"] > 10 and t["active"] > 0, "refaults are seen, and bring items back as active", str(t))


def main():
    for program in (KVCACHED, KVLOAD):
        if not os.path.exists(program):
            skip_all(f"{program} is not built")
    test_names()
    test_errors()
    for policy in ("clock", "lruvec"):
        test_noisy(policy)
    test_protected()
    test_ceiling()
    test_high()
    test_policy()
    tap.done()


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(99))
main()
