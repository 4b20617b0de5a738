#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Mutation check of the arithmetic.

Changes each constant, clamp, condition and operator of libshrink/core/arith.c
in turn, on a copy, and asks whether some test notices. A mutant that survives
is either a hole in the tests, which fails this check, or means the same as the
original: then it stands in EQUIVALENT below, with the reason.

usage: mutate.py SOURCE PROGRAM...      (see mutate.sh, which builds)
    SOURCE   the file to mutate
    PROGRAM  a command line; {} is replaced by the folder of the mutant. The
             first builds, the others test: nonzero or a timeout kills.
"""
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

# (piece of the original line, mutation) -> why nobody can tell the difference
EQUIVALENT = {
    ("return a < b ? a : b;", "< -> <="): "equal numbers: either is the smaller",
    ("return a > b ? a : b;", "> -> >="): "equal numbers: either is the larger",
    ("if (sl->total_scan > wrap_double(sl->freeable))", "> -> >="):
        "equal numbers: the cap is what it is already",
    ("return sl->next_deferred >= sl->scanned ? wrap_sub(sl->next_deferred, sl->scanned) : 0;",
     ">= -> >"): "equal numbers: their difference is 0 as well",
    ("uint64_t base = (uint64_t)eligible + 1 ? (uint64_t)eligible + 1 : UINT64_MAX;",
     "UINT64_MAX -> (UINT64_MAX - 1)"): "either divisor leaves nothing of any real numerator",
}

# A test takes a fraction of a second of processor time, a mutant that loops for
# ever all it gets; what the clock on the wall says depends on the neighbours.
CPU_SECONDS = 10
WALL_SECONDS = 240

BINARY = {
    ">>": ["<<"], "<<": [">>"], "+": ["-"], "-": ["+"], "*": ["/", "+"], "/": ["*", "-"],
    "%": ["/"], "<": ["<=", ">"], "<=": ["<", ">="], ">": [">=", "<"], ">=": [">", "<="],
    "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"],
}
CALLS = {
    "min_long": ["max_long"], "max_long": ["min_long"],
    "wrap_add": ["wrap_sub"], "wrap_sub": ["wrap_add"], "wrap_double": [""],
}
NAMED = {
    "SHRINK_BATCH": ["(SHRINK_BATCH + 1)", "(SHRINK_BATCH - 1)"],
    "UINT64_MAX": ["(UINT64_MAX - 1)"],
    "SHRINK_ARITH_5_13": ["SHRINK_ARITH_5_0"],
    "SHRINK_ARITH_PROPORTIONAL": ["SHRINK_ARITH_5_0"],
}


def blank_comments(text):
    """Comments become spaces: places in the file stay the same."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*|#[^\n]*", spaces, text, flags=re.S)


def arguments(text, start):
    """Spans of the arguments of the call whose '(' is at start, and its end."""
    depth, begin, spans = 0, start + 1, []
    for i in range(start, len(text)):
        if text[i] == "(":
            depth += 1
        elif text[i] == ")":
            depth -= 1
            if not depth:
                return spans + [(begin, i)], i + 1
        elif text[i] == "," and depth == 1:
            spans.append((begin, i))
            begin = i + 1
    raise ValueError("unbalanced call")


def mutants(text):
    """Yields (start, end, replacement, description)."""
    code = blank_comments(text)
    definitions = {m.start(1) for m in re.finditer(r"^static [\w ]+?\b(\w+)\(", code, re.M)}
    for m in re.finditer(r"(?<= )(>>|<<|<=|>=|==|!=|&&|\|\||[-+*/%<>])(?= )", code):
        for new in BINARY[m.group(1)]:
            yield m.start(), m.end(), new, f"{m.group(1)} -> {new}"
    for m in re.finditer(r"(?<![\w.])(\d+)(?!\w)", code):
        value = int(m.group(1))
        for new in ([value + 1] if not value else [value + 1, value - 1]):
            yield m.start(), m.end(), str(new), f"{value} -> {new}"
    for m in re.finditer(r"\b(min_long|max_long|wrap_\w+)\(", code):
        if m.start() in definitions:
            continue
        for new in CALLS[m.group(1)]:
            yield m.start(1), m.end(1), new, f"{m.group(1)} -> {new or 'nothing'}"
        spans, end = arguments(code, m.end() - 1)
        if m.group(1) in ("min_long", "max_long"):
            for i, (a, b) in enumerate(spans):
                yield m.start(), end, text[a:b].strip(), f"{m.group(1)} -> argument {i + 1}"
    for m in re.finditer(r"\bif \(", code):
        span = (m.end(), arguments(code, m.end() - 1)[1] - 1)
        for new in ("0", "1"):
            yield span[0], span[1], new, f"if -> if ({new})"
    for m in re.finditer(r" \? ", code):
        yield m.start(), m.end(), " && 0 ? ", "? -> never"
        yield m.start(), m.end(), " || 1 ? ", "? -> always"
    for m in re.finditer(r"!(?=[a-z])", code):
        yield m.start(), m.end(), "", "! -> nothing"
    for name, news in NAMED.items():
        for m in re.finditer(rf"\b{name}\b", code):
            for new in news:
                yield m.start(), m.end(), new, f"{name} -> {new}"
    for m in re.finditer(r"^\t+sl->\w+ = [^;]*;$", code, re.M):
        yield m.start(), m.end(), "", "assignment -> nothing"


def line_of(text, place):
    number = text.count("\n", 0, place) + 1
    return number, text.split("\n")[number - 1].strip()


def run(command, folder):
    """True if all went well in time. A mutant may loop for ever: end its group."""
    limited = f"ulimit -t {CPU_SECONDS}; " + command.replace("{}", folder)
    with subprocess.Popen(limited, shell=True, start_new_session=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return process.wait(timeout=WALL_SECONDS) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return False


def judge(text, mutant, commands):
    """Returns 'build', None (survived) or the number of the test that killed."""
    start, end, new, _ = mutant
    folder = tempfile.mkdtemp(prefix="shrink-mutant-")
    try:
        with open(os.path.join(folder, "mutant.c"), "w", encoding="utf-8") as f:
            f.write(text[:start] + new + text[end:])
        for i, command in enumerate(commands):
            if not run(command, folder):
                return "build" if i == 0 else i
        return None
    finally:
        shutil.rmtree(folder)


def main():
    source, commands = sys.argv[1], sys.argv[2:]
    with open(source, encoding="utf-8") as f:
        text = f.read()
    if judge(text, (0, 0, "", ""), commands) is not None:
        print("Bail out! the original does not pass")
        return 1
    todo = list(mutants(text))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(lambda m: judge(text, m, commands), todo))
    killed, unbuilt, equivalent, used, failed = 0, 0, 0, set(), 0
    for mutant, verdict in zip(todo, verdicts):
        number, line = line_of(text, mutant[0])
        key = (line, mutant[3])
        if verdict == "build":
            unbuilt += 1
        elif verdict is not None:
            killed += 1
            if key in EQUIVALENT:
                print(f"# {os.path.basename(source)}:{number}: {mutant[3]}: listed as equivalent "
                      f"but killed: {line}")
        elif key in EQUIVALENT:
            equivalent += 1
            used.add(key)
        else:
            failed += 1
            print(f"# survived: {os.path.basename(source)}:{number}: {mutant[3]}: {line}")
    for key in EQUIVALENT.keys() - used:
        print(f"# listed as equivalent but no such survivor: {key}")
        failed += 1
    print(f"# {len(todo)} mutants: {killed} killed, {equivalent} equivalent, "
          f"{unbuilt} do not compile, {failed} wrong")
    print(f"{'not ok' if failed or not killed else 'ok'} 1 - every change of the arithmetic "
          "makes some test fail")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
