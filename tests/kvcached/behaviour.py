# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""What kvcached promises beyond single answers: real clients, real time, many
threads, slow readers, a fixed ceiling, a clean end."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import KVCACHED, QUIET, Kvcached, Tap, dialogue, skip_all, stats

SHADOWED_BUDGET = 400 << 20

tap = Tap()


class Client:
    """A blocking client that waits for each answer."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.socket.makefile("rb")

    def ask(self, line, value=None):
        self.socket.sendall(line + b"\r\n" + (value + b"\r\n" if value is not None else b""))
        return self.file.readline().rstrip(b"\r\n")

    def gets(self, key):
        """(value, flags, cas unique) or None"""
        head = self.ask(b"gets " + key)
        if head == b"END":
            return None
        _, _, flags, length, cas = head.split()
        value = self.file.read(int(length) + 2)[:-2]
        assert self.file.readline() == b"END\r\n"
        return value, int(flags), int(cas)

    def get(self, key):
        found = self.gets(key)
        return found and found[0]

    def set(self, key, value, exptime=0):
        return self.ask(b"set %s 0 %d %d" % (key, exptime, len(value)), value)

    def close(self):
        self.file.close()
        self.socket.close()


def sealed(rng, size):
    """Bytes that end in their own checksum."""
    body = rng.randbytes(max(0, size - 4))
    return body + zlib.crc32(body).to_bytes(4, "big")


def intact(value):
    return len(value) >= 4 and zlib.crc32(value[:-4]).to_bytes(4, "big") == value[-4:]


def run_tool(name, argv, good):
    path = shutil.which(argv[0])
    if not path:
        tap.skip(name, f"no {argv[0]}")
        return
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    output = done.stdout + done.stderr
    tap.ok(done.returncode == 0 and good(output), name, *output.splitlines()[-20:])


def test_tools(server):
    run_tool("memccapable -a passes wholly",
             ["memccapable", "-h", "127.0.0.1", "-p", str(server.port), "-a"],
             lambda text: "All tests passed" in text and "FAIL" not in text)
    run_tool("memcaslap gets back what it stored",
             ["memcaslap", "-s", f"127.0.0.1:{server.port}", "-t", "3s", "-T", "2", "-c", "16", "-v", "0.5"],
             lambda text: "verify_failed: 0" in text and "TPS" in text)


def test_pymemcache(server):
    # pure Python, so any interpreter may use Debian's copy
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        from pymemcache.client.base import Client as Pymemcache
    except ImportError:
        tap.skip("pymemcache", "python3-pymemcache is not installed")
        return
    c = Pymemcache(("127.0.0.1", server.port), default_noreply=False)
    c.flush_all()
    good = [
        c.set("k", b"v"), c.get("k") == b"v", c.add("k", b"x") is False, c.replace("k", b"w"),
        c.append("k", b"2"), c.prepend("k", b"0"), c.get("k") == b"0w2", c.set("n", b"41"), c.incr("n", 1) == 42,
        c.decr("n", 2) == 40, c.touch("k", 100), c.delete("k"), c.get("k") is None, c.set_many({"a": b"1", "b": b"2"}) == [],
        c.get_many(["a", "b", "c"]) == {"a": b"1", "b": b"2"}, c.gets("a")[0] == b"1",
        c.cas("a", b"3", c.gets("a")[1]), c.cas("a", b"4", b"1") is False, c.cas("zz", b"4", b"1") is None,
        c.set("big", b"q" * (1 << 20)), len(c.get("big")) == 1 << 20, b"pid" in c.stats(), c.version().startswith(b"1.6"),
        c.flush_all(), c.get("a") is None]
    c.quit()
    tap.ok(all(good), "pymemcache: every command answers as it should", str(good))


def test_sizes(server):
    c, rng = Client(server.port), random.Random(1)
    bad = []
    for size in [0, 1, 63, 64, 1000, 1023, 1024, 1025, 4096, 65536, 262144, 524288, (1 << 20) - 1, 1 << 20]:
        value = rng.randbytes(size)
        if c.set(b"size", value) != b"STORED" or c.get(b"size") != value:
            bad.append(size)
    tap.ok(not bad, "values of 0 bytes to exactly 1 MiB come back", f"sizes {bad}")
    c.close()


def test_pieces(server):
    data = b"set p 5 0 3\r\nabc\r\nget p q\r\nfoo\r\nincr p 1\r\nset p 0 0 2\r\n12\r\nincr p 30\r\nget p\r\ndelete p\r\n"
    whole = dialogue(server.port, data)
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            s.sendall(bytes([byte]))
            time.sleep(0.001)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    tap.ok(whole == answer and whole.endswith(b"DELETED\r\n"), "a byte at a time brings the same answers", repr(whole), repr(answer))


def test_time(server):
    c = Client(server.port)
    c.set(b"soon", b"x", 1), c.set(b"later", b"x", 1), c.set(b"gat", b"x", 1), c.set(b"never", b"x", 0)
    c.set(b"flushed", b"x"), c.set(b"absolute", b"x", int(time.time()) + 2)
    c.ask(b"touch later 100")
    alive = [c.get(k) is not None for k in (b"soon", b"later", b"gat", b"never", b"flushed", b"absolute")]
    tap.ok(all(alive[1:2] + alive[3:]), "nothing expires early", str(alive))
    dialogue(server.port, b"gat 100 gat\r\n") if c.get(b"gat") else c.set(b"gat", b"x", 100)
    time.sleep(2.1)
    tap.ok(c.get(b"soon") is None and c.get(b"absolute") is None, "expiry: relative and absolute")
    tap.ok(c.get(b"later") == b"x" and c.get(b"gat") == b"x" and c.get(b"never") == b"x", "touch and gat give more time")
    c.set(b"old", b"x")
    answer = c.ask(b"flush_all 2")
    before = c.get(b"old")
    time.sleep(3.1)
    c.set(b"new", b"x")
    tap.ok(answer == b"OK" and before == b"x" and c.get(b"old") is None and c.get(b"new") == b"x",
           "flush_all 2 waits two seconds and spares what comes later")
    c.close()


def test_slow_reader(server):
    """A value under way stays what it was, whatever happens to its key."""
    c, slow, rng = Client(server.port), Client(server.port), random.Random(2)
    value = sealed(rng, 1 << 20)
    c.set(b"slow", value)
    slow.socket.sendall(b"get slow\r\n" * 8)
    time.sleep(0.3)
    c.set(b"slow", sealed(rng, 1 << 20))
    c.ask(b"delete slow")
    for i in range(50):
        c.set(b"other%d" % i, sealed(rng, 1 << 20))
    got = []
    for _ in range(8):
        head = slow.file.readline()
        if head != b"END\r\n":
            got.append(slow.file.read((1 << 20) + 2)[:-2])
            slow.file.readline()
    tap.ok(got and got[0] == value and all(intact(v) for v in got), "a value being sent outlives its key",
           f"{len(got)} values, intact {[intact(v) for v in got]}")
    c.close(), slow.close()


def rss(pid):
    """What a budget counts: anonymous and shared memory, in bytes."""
    with open(f"/proc/{pid}/status") as f:
        return sum(int(line.split()[1]) << 10 for line in f if line.startswith(("RssAnon:", "RssShmem:")))


def test_backlog(server):
    """A client that asks for much and reads nothing costs little."""
    c = Client(server.port)
    c.set(b"b", b"q" * 1000)
    greedy = socket.create_connection(("127.0.0.1", server.port))
    greedy.setblocking(False)
    before, asked = rss(server.process.pid), 0
    line = b"get " + b"b " * 1000 + b"\r\n"
    stop_at = time.monotonic() + 2
    while time.monotonic() < stop_at and asked < 200 << 20:
        try:
            asked += greedy.send(line * 16) // 2 * 1000
        except BlockingIOError:
            time.sleep(0.01)
    grown = rss(server.process.pid) - before
    tap.ok(grown < 24 << 20, "replies to a client that does not read are not hoarded",
           f"asked for {asked >> 20} MiB, server grew by {grown >> 20} MiB")
    tap.ok(c.get(b"b") == b"q" * 1000, "and others are served meanwhile")
    greedy.close(), c.close()


def hammer(port, number, seconds, problems, totals):
    """One client of many on the same keys."""
    rng, c = random.Random(number), Client(port)
    last_cas, end = {}, time.monotonic() + seconds
    while time.monotonic() < end:
        key = b"h%d" % rng.randrange(20)
        action = rng.random()
        if action < 0.5:
            found = c.gets(key)
            if found and not intact(found[0]):
                problems.append(f"torn value of {len(found[0])} bytes")
            if found and found[2] < last_cas.get(key, 0):
                problems.append(f"cas went back from {last_cas[key]} to {found[2]}")
            if found:
                last_cas[key] = found[2]
        elif action < 0.75:
            c.set(key, sealed(rng, rng.choice([4, 100, 2000, 70000])))
        elif action < 0.8:
            c.ask(b"delete " + key)
        elif action < 0.9:
            found = c.gets(b"cas")
            if found:
                value = b"%d" % (int(found[0]) + 1)
                totals["cas"] += c.ask(b"cas cas 0 0 %d %d" % (len(value), found[2]), value) == b"STORED"
        elif action < 0.95:
            totals["incr"] += c.ask(b"incr incr 1").isdigit()
        else:
            totals["append"] += c.ask(b"append append 0 0 1", b"x") == b"STORED"
    c.close()


def test_threads(server, seconds=4):
    c, problems = Client(server.port), []
    c.ask(b"flush_all")
    c.set(b"cas", b"0"), c.set(b"incr", b"0"), c.set(b"append", b"")
    totals = [{"cas": 0, "incr": 0, "append": 0} for _ in range(8)]
    threads = [threading.Thread(target=hammer, args=(server.port, i, seconds, problems, totals[i])) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    done = {name: sum(t[name] for t in totals) for name in ("cas", "incr", "append")}
    tap.ok(not problems, "eight clients on the same keys: no torn value, cas numbers only rise", *problems[:5])
    seen = {"cas": int(c.get(b"cas")), "incr": int(c.get(b"incr")), "append": len(c.get(b"append"))}
    tap.ok(done == seen and all(done.values()), "no cas, incr or append is lost or done twice", f"answered {done}", f"stored {seen}")
    c.close()


def test_negative(server):
    """A remembered miss must never hide a stored key."""
    c, wrong = Client(server.port), 0
    for i in range(3000):
        key = b"miss%d" % (i % 100)
        if c.get(key) is not None:
            wrong += 1
        c.get(key)
        c.set(key, b"x")
        wrong += c.get(key) != b"x"
        c.ask(b"delete " + key)
    for i in range(300):
        c.get(b"gone%d" % i)
    entries = int(stats(server.port)["negative_entries"])
    tap.ok(wrong == 0 and entries >= 250, "remembered misses are forgotten when the key is set",
           f"{wrong} wrong, {entries} entries")
    c.close()


def test_stats(server):
    c = Client(server.port)
    c.ask(b"stats reset")
    c.set(b"s", b"1"), c.get(b"s"), c.get(b"no such key"), c.ask(b"incr s 1"), c.ask(b"delete s"), c.ask(b"delete s")
    got = stats(server.port)
    want = {"cmd_set": "1", "get_hits": "1", "incr_hits": "1", "delete_hits": "1", "delete_misses": "1"}
    tap.ok(all(got.get(k) == v for k, v in want.items()), "stats count", *(f"{k} {got.get(k)}" for k in want))
    shrink = stats(server.port, "shrink")
    need = ["level", "limit", "usage", "cache:items:seeks", "cache:negative:seeks", "cache:items:object_size", "pool:resident_bytes"]
    tap.ok(all(k in shrink for k in need) and shrink["cache:items:seeks"] != shrink["cache:negative:seeks"] and
           any(k.startswith("source:") for k in shrink), "stats shrink shows both caches, the limit and the sources",
           *(k for k in need if k not in shrink))
    settings = stats(server.port, "settings")
    tap.ok(settings.get("tcpport") == str(server.port) and settings.get("num_threads") == "3", "stats settings", str(settings))
    c.close()


def test_ceiling():
    """-m 16: sets beyond it replace, like an ordinary cache's."""
    server = Kvcached("-t", "2", "-m", "16")
    c, rng, refused = Client(server.port), random.Random(3), 0
    for i in range(6000):
        refused += c.set(b"c%d" % i, sealed(rng, int(64 * 1024 ** (rng.random())))) != b"STORED"
    bad = sum(1 for i in range(6000) if (v := c.get(b"c%d" % i)) is not None and not intact(v))
    got, shrink = stats(server.port), stats(server.port, "shrink")
    # rare classes may find neither a place nor a victim at a full ceiling
    tap.ok(refused < 60, "-m 16: storing goes on at the ceiling", f"{refused} of 6000 refused")
    tap.ok(int(got["evictions"]) > 1000 and int(got["curr_items"]) > 500 and not bad, "-m 16: old items give way",
           f"evictions {got['evictions']} items {got['curr_items']} bad {bad}")
    tap.ok(int(shrink["pool:resident_bytes"]) <= 16 << 20, "-m 16: the ceiling holds", shrink["pool:resident_bytes"])
    c.close()
    status = server.stop()
    tap.ok(status == 0, "-m 16: ends with 0", f"status {status}")


def test_budget():
    """A budget instead of a memory group works for anybody, anywhere: both caches
    give way, the rest stays whole."""
    def start(budget):
        return Kvcached("-t", "2", env={"LIBSHRINK_CONF": f"rss_budget:{budget}"}), budget

    server, budget = start(64 << 20)
    shadowed = server.shadowed()
    if shadowed:  # its own memory is several times the cache's, and counts
        server.stop()
        server, budget = start(SHADOWED_BUDGET)
    c, rng, stored = Client(server.port), random.Random(4), 0
    for i in range(0, 20000, 100):
        dialogue(server.port, b"get " + b" ".join(b"none%d" % j for j in range(i, i + 100)) + b"\r\n")
    misses = int(stats(server.port)["negative_entries"])
    most = 0
    for i in range(25000):
        stored += c.set(b"g%d" % i, sealed(rng, int(64 * 1024 ** (rng.random())))) == b"STORED"
        if i % 500 == 0:
            most = max(most, rss(server.process.pid))
    # One store after the other never gets below the watermark, since the server asks
    # for room each time; megabytes at once do, until usage is looked at again.
    for burst in range(40):
        dialogue(server.port, b"".join(b"set b%d 0 0 60000 noreply\r\n%s\r\n" % (i, b"b" * 60000)
                                       for i in range(burst * 200, burst * 200 + 200)))
        if int(stats(server.port, "shrink")["cache:negative:freed_objects"]):
            break
    found = [v for i in range(25000) if (v := c.get(b"g%d" % i)) is not None]
    shrink = {k: int(v) for k, v in stats(server.port, "shrink").items() if v.isdigit()}
    tap.ok(server.alive() and stored > 20000 and len(found) > 1000 and all(map(intact, found)),
           "a budget of memory: storing goes on, and what is kept is whole",
           f"{stored} of 25000 stored, {len(found)} found, intact {all(map(intact, found))}")
    tap.ok(shadowed or most < budget + (16 << 20), "the budget is kept", f"at most {most >> 20} MiB of {budget >> 20}")
    tap.ok(misses > 10000 and shrink["rounds"] > 0 and shrink["cache:items:freed_bytes"] > 0 and
           shrink["cache:negative:freed_objects"] > 0, "both caches gave way",
           f"{misses} misses", *(f"{k} {v}" for k, v in shrink.items() if "cache" in k or k == "rounds"))
    tap.ok(shrink["misuses"] == 0 and shrink["pending_bytes"] == 0, "no misuse, nothing left pending", str(shrink))
    c.close()
    status = server.stop()
    tap.ok(status == 0, "with a budget: ends with 0", f"status {status}")


def test_options(server):
    def status(*args):
        return subprocess.run([KVCACHED, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30,
                              env={**QUIET, **os.environ}).returncode

    got = [status("-h"), status("-x"), status("-p", "99999"), status("-t", "0"), status("-m", "-1"), status("word"),
           status("-p", str(server.port)), status("-l", "no.such.host.invalid", "-p", "0"), status("-U", "11211")]
    tap.ok(got == [0, 2, 2, 2, 2, 2, 1, 1, 2], "options: help, and each mistake refused", str(got))


def test_end(number, load):
    server = Kvcached("-t", "3", "-U", "0")
    stop, clients = threading.Event(), []

    def work(i):
        try:
            c, rng = Client(server.port), random.Random(i)
            while not stop.is_set():
                c.set(b"e%d" % rng.randrange(1000), rng.randbytes(3000))
                c.get(b"e%d" % rng.randrange(1000))
        except (OSError, ValueError, AssertionError, IndexError):
            pass

    if load:
        clients = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in clients:
            t.start()
        time.sleep(0.5)
    idle = Client(server.port)
    idle.socket.sendall(b"set half 0 0 100\r\nabc")
    time.sleep(0.1)
    status = server.stop(number, 20)
    stop.set()
    for t in clients:
        t.join()
    idle.close()
    tap.ok(status == 0, f"{number.name}{' under load' if load else ''}: a clean end", f"status {status}")


def main():
    if not os.path.exists(KVCACHED):
        skip_all("kvcached is not built")
    server = Kvcached("-t", "3")
    for test in (test_tools, test_pymemcache, test_sizes, test_pieces, test_time, test_slow_reader, test_backlog,
                 test_threads, test_negative, test_stats, test_options):
        test(server)
    tap.ok(server.alive() and server.stop() == 0, "the server lived through all of it")
    test_ceiling()
    test_budget()
    test_end(signal.SIGTERM, True)
    test_end(signal.SIGINT, False)
    tap.done()


main()
