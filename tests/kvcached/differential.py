# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""The same bytes to kvcached and to the real memcached must bring the same bytes
back: first a list of the things that clients get wrong, then random dialogues
(the seed is printed; KVCACHED_SEED repeats one)."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import Kvcached, Memcached, Tap, dialogue, short, skip_all

K250 = b"k" * 250
K251 = b"k" * 251
BIG = b"z" * 2000000
ROUNDS = 400

GROUPS = {
    "empty and unknown lines": [
        b"\r\n", b"\n", b"a\r\n", b" \r\n", b"x noreply\r\n", b"foo bar\r\n", b"sat\r\n", b"GET a\r\n",
        b"incrx\r\n", b"flush_alls\r\n", b"versions\r\n", b"touch\x00 a\r\n", b"\x00get a\r\n",
        b"get a\r\nget b\r\n\r\nget c\r\n", b"x" * 1100 + b"\r\n", b"statsx\r\n"],
    "a browser is hung up on": [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"foo HTTP/1.1\r\nget a\r\n",
        b"get a HTTP/1.1\r\n", b"HTTP/1.1 x\r\n", b"HTTP/1.1\r\n", b"Get x HTTP/1.0 y\r\n",
        b"append HTTP/1.1\r\n", b"sat HTTP/1.1\r\n"],
    "lines without end": [
        b"x" * 3000, b"get " + b"a " * 900, b"set a" + b" " * 3000, b" " * 3000],
    "get": [
        b"get\r\n", b"get \r\n", b"get a\n", b"  get a\r\n", b"get  a  b \r\n", b"gets\r\n", b"gets a\r\n",
        b"gets nope\r\n", b"get " + K250 + b"\r\n", b"get " + K251 + b"\r\n", b"bget a\r\n", b"get noreply\r\n",
        b"get a " + K251 + b"\r\n", b"get a\rb\r\n", b"get a\r\r\n", b"get a\x00b\r\n",
        b"get " + b"a " * 30 + b"\r\n", b"get " + b"nope " * 30 + K251 + b"\r\n", b" " * 200 + b"get a\r\n",
        b"get " + b" ".join(b"key%d" % i for i in range(2000)) + b"\r\n", b"gets " + b"a " * 3000 + b"\r\n"],
    "gat": [
        b"gat\r\n", b"gat 0\r\n", b"gat x\r\n", b"gat x a\r\n", b"gats 0\r\n", b"gat 1 " + K251 + b"\r\n",
        b"gat 0 a noreply\r\n", b"gat 0 a nope a\r\ngats -1 a\r\nget a\r\n", b"gats 100 a a\r\n",
        b"gat 0 " + b"a " * 3000 + b"\r\n"],
    "set": [
        b"set\r\n", b"set a\r\n", b"set a 0 0\r\n", b"set a 0 0 1 2 3\r\n", b"set a 0 0 1 foo\r\nq\r\nget a\r\n",
        b"set a x 0 1\r\nq\r\n", b"set a 0 x 1\r\nq\r\n", b"set a 0 0 x\r\nq\r\n", b"set a 0 0 -1\r\nq\r\n",
        b"set a 0 0 0\r\n\r\nget a\r\n", b"set a 0 0 1 noreply\r\nq\r\nget a\r\n", b"set a 0 0  1\r\nq\r\nget a\r\n",
        b"set a 0 0 1 \r\nq\r\nget a\r\n", b"set a\t0 0 1\r\nq\r\n", b"set " + K250 + b" 0 0 1\r\nq\r\nget " + K250 + b"\r\n",
        b"set " + K251 + b" 0 0 1\r\nq\r\n", b"set " + K251 + b" 0 0 1 noreply\r\nq\r\n", b"set a x 0 1 noreply\r\nq\r\n",
        b"set a 0 0 noreply\r\nq\r\n", b"set noreply 0 0 1\r\nq\r\nget noreply\r\n", b"set a\x00 0 0 1\r\nq\r\n",
        b"set a 0 0 1 noreply \r\nq\r\nget a\r\n", b"set a" + b" " * 3000 + b"0 0 1\r\nx\r\nget a\r\n",
        b"set a 0 0 5\r\n\x00\r\n\xff \r\nget a\r\n"],
    "numbers": [
        b"set a -1 0 1\r\nq\r\n", b"set a 4294967295 0 1\r\nq\r\nget a\r\n", b"set a 4294967303 0 1\r\nq\r\nget a\r\n",
        b"set a 18446744073709551615 0 1\r\nq\r\nget a\r\n", b"set a 18446744073709551616 0 1\r\nq\r\nget a\r\n",
        b"set a -18446744073709551615 0 1\r\nq\r\nget a\r\n", b"set a 0x10 0 1\r\nq\r\nget a\r\n",
        b"set a 010 0 1\r\nq\r\nget a\r\n", b"set a +7 +0 +1\r\nq\r\nget a\r\n", b"set a 7a 0 1\r\nq\r\n",
        b"set a 0 0 1a\r\nq\r\n", b"set a 0\tq 0 1\r\nq\r\nget a\r\n", b"set a 0 0 4294967297\r\nq\r\nget a\r\n",
        b"set a 0 0 2147483646\r\n", b"set a 0 0 2147483647\r\nx\r\n", b"set a 0 0 2147483648\r\nx\r\n",
        b"set a 0 9999999999999999999999 1\r\nq\r\n", b"set a 0 9223372036854775808 1\r\nq\r\n",
        b"set a 0 -9223372036854775808 1\r\nq\r\nget a\r\n", b"set a 0 -9223372036854775809 1\r\nq\r\nget a\r\n"],
    "expiry": [
        b"set a 0 -1 1\r\nq\r\nget a\r\n", b"set a 0 99999999999 1\r\nq\r\nget a\r\n",
        b"set a 0 -2147483649 1\r\nq\r\nget a\r\n", b"set a 0 4294967295 1\r\nq\r\nget a\r\n",
        b"set a 0 4294967296 1\r\nq\r\nget a\r\n", b"set a 0 2592000 1\r\nq\r\nget a\r\n",
        b"set a 0 2592001 1\r\nq\r\nget a\r\n", b"set a 0 4000000000 1\r\nq\r\nget a\r\n",
        b"set a 0 2147483647 1\r\nq\r\nget a\r\n", b"set a 0 -1 1\r\nq\r\nadd a 0 0 1\r\nr\r\nget a\r\n",
        b"set a 0 -1 1\r\nq\r\nappend a 0 0 1\r\nr\r\nincr a 1\r\ntouch a 0\r\ndelete a\r\n"],
    "bad data chunks": [
        b"set a 0 0 1\r\nqq\r\n", b"set a 0 0 1\r\nqqqq\r\nget a\r\n", b"set a 0 0 3\r\nq\r\n\r\n\r\nget a\r\n",
        b"set a 0 0 1 noreply\r\nqqqq\r\nget a\r\n", b"set a 0 0 1\nqz\n", b"set a 0 0 1\r\nq\nxget a\r\n",
        b"set a 0 0 1\r\nqzzget a\r\n\r\nget a\r\n", b"set a 0 0 1\r\nxyz", b"set a 0 0 5\r\nxy",
        b"append a 0 0 1 noreply\r\nqq\r\nget a\r\n"],
    "too large": [
        b"set a 0 0 1048577\r\n" + b"z" * 1048577 + b"\r\nget a\r\n", b"set a 0 0 2000000 noreply\r\n" + BIG + b"\r\nget a\r\n",
        b"add a 0 0 2000000\r\n" + BIG + b"\r\nget a\r\n", b"cas nope 0 0 2000000 5\r\n" + BIG + b"\r\n",
        b"append a 0 0 2000000\r\n" + BIG + b"\r\nget a\r\n",
        b"set a 0 0 600000\r\n" + BIG[:600000] + b"\r\nappend a 0 0 600000\r\n" + BIG[:600000] + b"\r\ndelete a\r\n",
        b"set a 0 0 1048000\r\n" + BIG[:1048000] + b"\r\nget a\r\ndelete a\r\n"],
    "add, replace, append, prepend": [
        b"add a 0 0 1\r\nq\r\n", b"add new 3 0 1\r\nq\r\nget new\r\ndelete new\r\n", b"replace nope 0 0 1\r\nq\r\n",
        b"replace a 9 0 2\r\nqr\r\nget a\r\n", b"append nope 0 0 1\r\nq\r\n", b"prepend nope 0 0 1\r\nq\r\n", b"prepend a\r\n",
        b"set a 5 0 1\r\nq\r\nappend a 9 100 2\r\nxy\r\nprepend a 7 0 2\r\nAB\r\nget a\r\n",
        b"append a 0 0 0\r\n\r\nget a\r\n", b"append a 0 0 1 noreply\r\nz\r\nget a\r\n"],
    "cas": [
        b"cas a 0 0 1\r\nq\r\n", b"cas a 0 0 1 x\r\nq\r\n", b"cas nope 0 0 1 1\r\nq\r\n", b"cas a 0 0 1 999999\r\nr\r\nget a\r\n",
        b"cas a 0 0 1 -1\r\nq\r\n", b"cas a 0 0 1 1 noreply\r\nq\r\nget a\r\n", b"cas a 0 0 1 0\r\nx\r\n",
        b"cas a 0 0 1 18446744073709551616\r\nq\r\n", b"cas a 0 0 1 1 2 3\r\nq\r\n", b"cas a 0 0 -1 1\r\n"],
    "incr and decr": [
        b"incr\r\n", b"incr a\r\n", b"incr a x\r\n", b"incr nope 1\r\n", b"decr nope 1\r\n", b"set a 0 0 1\r\nq\r\nincr a 1\r\n",
        b"set a 0 0 2\r\n10\r\ndecr a 1\r\nget a\r\nincr a 5\r\nget a\r\nincr a 90\r\nget a\r\ndecr a 1000\r\nget a\r\n",
        b"incr a -1\r\n", b"incr a 18446744073709551616\r\n", b"set a 0 0 20\r\n18446744073709551615\r\nincr a 1\r\nget a\r\n",
        b"set a 0 0 21\r\n184467440737095516150\r\nincr a 1\r\n", b"incr a 1 noreply\r\nget a\r\n", b"incr a 1 foo\r\n",
        b"incr " + K251 + b" 1\r\n", b"set a 0 0 2\r\n 5\r\nincr a 1\r\nget a\r\n", b"set a 0 0 2\r\n5 \r\nincr a 1\r\nget a\r\n",
        b"set a 0 0 2\r\n5x\r\nincr a 1\r\nget a\r\n", b"set a 0 0 0\r\n\r\nincr a 1\r\nget a\r\n",
        b"set a 0 0 2\r\n-1\r\nincr a 1\r\nget a\r\n", b"incr a 1 noreply x\r\n", b"incr a x noreply\r\n",
        b"set a 0 0 3\r\n5 6\r\nincr a 1\r\nget a\r\n", b"set a 0 0 3\r\n\t5 \r\ndecr a 1\r\nget a\r\n",
        b"set a 0 0 2\r\n+5\r\nincr a 1\r\nget a\r\n", b"set a 0 0 23\r\n00000000000000000000005\r\nincr a 1\r\nget a\r\n",
        b"set a 7 0 1\r\n9\r\nincr a 1\r\nget a\r\n", b"incr a 18446744073709551615\r\nget a\r\n"],
    "delete": [
        b"delete\r\n", b"delete a\r\ndelete a\r\n", b"delete a 0\r\n", b"delete a 1\r\n", b"delete a noreply\r\nget a\r\n",
        b"delete a 0 noreply\r\nget a\r\n", b"delete a 5 noreply\r\nget a\r\n", b"delete a foo\r\n", b"delete a 0 x y\r\n",
        b"delete a foo noreply\r\n", b"delete " + K251 + b"\r\n", b"delete a 0 foo\r\n", b"delete a noreply foo\r\nget a\r\n"],
    "touch": [
        b"touch\r\n", b"touch a\r\n", b"touch nope 1\r\n", b"touch a x\r\n", b"touch a 0\r\ntouch a 0 noreply\r\ntouch a 0 foo\r\n",
        b"touch " + K251 + b" 0\r\n", b"touch a -1\r\nget a\r\n", b"touch a x noreply\r\n", b"touch a 0 0 0\r\n"],
    "flush_all": [
        b"flush_all\r\nget a\r\n", b"flush_all 0\r\nget a\r\n", b"flush_all x\r\n", b"flush_all noreply\r\nget a\r\n",
        b"flush_all 0 noreply\r\n", b"flush_all 0 foo\r\n", b"flush_all 0 0 0\r\n", b"flush_all -1\r\nget a\r\n",
        b"flush_all foo noreply\r\n", b"flush_all noreply 3\r\n", b"flush_all 0 noreply foo\r\n", b"flush_all 99999999999\r\n",
        b"flush_all\r\nset a 0 0 1\r\nn\r\nget a\r\n"],
    "verbosity, quit, stats": [
        b"verbosity\r\n", b"verbosity 1\r\n", b"verbosity 1 noreply\r\n", b"verbosity noreply\r\n", b"verbosity x\r\n",
        b"verbosity 1 2 3\r\n", b"verbosity 1 2\r\n", b"verbosity -1\r\n", b"verbosity 99999999999999999999999\r\n",
        b"verbosity 0\r\n", b"quit\r\nget a\r\n", b"quit foo\r\n", b"stats foo\r\n", b"stats reset\r\n", b"stats noreply\r\n",
        b"stats reset foo\r\n"],
}

SEEDS = b"flush_all\r\nset a 0 0 1\r\n1\r\nset b 3 0 5\r\nhello\r\n"


def differences(ours, theirs, cases):
    """Each case on a connection of its own, after the same two values."""
    found = []
    for case in cases:
        dialogue(ours.port, SEEDS), dialogue(theirs.port, SEEDS)
        a, b = dialogue(ours.port, case), dialogue(theirs.port, case)
        if a != b:
            found += [f"sent      {short(case)}", f"kvcached  {short(a)}", f"memcached {short(b)}"]
    return found


def random_command(rng):
    key = rng.choice([b"a", b"b", b"c", b"d", b"e", K250, K251, b"", b"noreply"])
    number = rng.choice([b"0", b"1", b"7", b"18446744073709551615", b"-1", b"x", b"", b"99", b"4294967296"])
    exptime = rng.choice([b"0", b"0", b"0", b"100", b"-1", b"99999999999", b"y"])
    tail = rng.choice([b"", b"", b"", b" noreply", b" x", b" "])
    value = rng.choice([b"", b"1", b"42", b"9", b"abc", b"\r\n", b"q" * 1500, b"5 5", bytes(range(256))])
    length = str(max(0, len(value) + rng.choice([0, 0, 0, 0, 0, 0, 1, -1]))).encode()
    verb = rng.choice([b"set", b"set", b"add", b"replace", b"append", b"prepend", b"cas", b"get", b"gets", b"gat", b"gats",
                       b"touch", b"delete", b"incr", b"decr", b"flush_all", b"verbosity", b"foo"])
    if rng.random() < 0.3:  # not blanks alone: memcached then reads past the value
        key, value = rng.choice([b"m", b"n"]), rng.choice([b"7", b"10 ", b"100", b"00099", b"18446744073709551615", b"1x", b"-1"])
        length = str(len(value)).encode()
    if verb in (b"set", b"add", b"replace", b"append", b"prepend"):
        return b"%s %s %s %s %s%s\r\n%s\r\n" % (verb, key, number, exptime, length, tail, value)
    if verb == b"cas":
        return b"cas %s %s %s %s %s%s\r\n%s\r\n" % (key, number, exptime, length, number, tail, value)
    if verb.startswith(b"g") and key == K251:
        key = b"e"  # memcached then also drops the answers to earlier commands: not imitated
    if verb.startswith(b"g") and key in (b"m", b"n"):
        key = b"d"
    if verb in (b"get", b"gets"):
        return b"%s %s %s\r\n" % (verb, key, rng.choice([b"a", b"b c", b""]))
    if verb in (b"gat", b"gats"):
        return b"%s %s %s\r\n" % (verb, exptime, key)
    if verb in (b"incr", b"decr"):
        # Of these, memcached's answer depends on whether an earlier get of the same
        # connection is still being answered, so nothing gets them before the end.
        key = rng.choice([b"m", b"n", b"nope", K251, b""])
        return b"%s %s %s%s\r\n" % (verb, key, number, tail)
    if verb == b"touch":
        return b"touch %s %s%s\r\n" % (key, exptime, tail)
    if verb == b"flush_all" and rng.random() < 0.8:
        return b"get a b c d e\r\n"
    if verb == b"verbosity":
        return b"verbosity %s%s\r\n" % (rng.choice([b"0", b"x", b""]), tail)
    return b"%s %s%s\r\n" % (verb, rng.choice([key, b"0"]), tail) if verb == b"delete" else verb + tail + b"\r\n"


def random_dialogue(rng):
    return [random_command(rng) for _ in range(rng.randint(1, 40))] + [b"gets a b c d e m n\r\n"]


def shrunk(differ, commands):
    """The same difference with as few commands as possible."""
    i = 0
    while i < len(commands):
        fewer = commands[:i] + commands[i + 1:]
        if differ(fewer):
            commands = fewer
        else:
            i += 1
    return b"".join(commands)


def main():
    if not Memcached.path():
        skip_all("no memcached to compare with")
    tap = Tap()
    ours, theirs = Kvcached("-t", "2"), Memcached()
    try:
        for name, cases in GROUPS.items():
            found = differences(ours, theirs, cases)
            tap.ok(not found, f"same bytes as memcached: {name} ({len(cases)} cases)", *found)
        seed = int(os.environ.get("KVCACHED_SEED", random.randrange(1 << 32)))
        print(f"# seed {seed}")
        rng = random.Random(seed)
        found = []
        for _ in range(ROUNDS):
            commands = random_dialogue(rng)
            if differences(ours, theirs, [b"".join(commands)]):
                found = differences(ours, theirs, [shrunk(
                    lambda some: differences(ours, theirs, [b"".join(some)]), commands)])
                break
        tap.ok(not found, f"same bytes as memcached: {ROUNDS} random dialogues, cas numbers included", *found)
    finally:
        status = ours.stop()
        theirs.stop()
    tap.ok(status == 0, "kvcached ends with 0 on SIGTERM", f"status {status}")
    tap.done()


main()
