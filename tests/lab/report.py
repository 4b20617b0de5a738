#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Reads what `lab` printed; writes tables to standard output and maps as SVG.

usage: report.py FILE.jsonl [SVG-FOLDER]
"""
import collections
import json
import os
import statistics
import sys

MAPS = ("policies", "shape", "bursts")
GOOD, BAD, NEAR, NONE = "#2a7f62", "#b3261e", "#d9a441", "#cccccc"


def load(path):
    with open(path, encoding="utf-8") as lines:
        runs = [json.loads(line) for line in lines if line.startswith("{")]
    if not runs:
        sys.exit(f"report.py: no runs in {path}")
    return runs


def values(runs, name):
    return [r[name] for r in runs if r.get(name) is not None]


def percentile(numbers, part):
    numbers = sorted(numbers)
    return numbers[min(int(len(numbers) * part), len(numbers) - 1)]


def text(number, form="{:.1f}"):
    return "-" if number is None else form.format(number)


def killed(run):
    return run["oom_kills"] > 0 or run["cache_died"] or run["hog_died"]


def subject(run):
    return (run["policy"], run["alloc"], run["order"])


def grouped(runs, key):
    groups = collections.OrderedDict()
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def row(name, runs):
    able = [r for r in runs if "unable" not in r]
    if not able:
        return f"| {name} | cannot run here: {runs[0]['unable']} |"
    notice = [abs(n) / 1000 for n in values(able, "notice_usec")]
    lived = [r for r in able if not killed(r)]
    over = values(lived, "overshoot")
    pause = values(lived, "max_usec")
    hits = values(lived, "hit_after")
    return "| {} | {} of {} | {} | {} | {} | {} | {} | {} |".format(
        name,
        len(lived),
        len(able),
        text(statistics.median(notice) if notice else None, "{:.2f}"),
        text(percentile(notice, 0.99) if notice else None, "{:.2f}"),
        text(100 * statistics.median(over) if over else None, "{:.0f}"),
        text(max(pause) / 1000 if pause else None),
        text(100 * statistics.median(hits) if hits else None),
        text(statistics.median(values(able, "stall_usec") or [0]) / 1000),
    )


def table(plan, runs):
    print(f"\n### {plan}\n")
    print("| who | survived | notice p50 ms | p99 ms | overshoot % | longest pause ms "
          "| hit rate after % | stall ms |")
    print("|---|---|---|---|---|---|---|---|")
    for key, group in grouped(runs, lambda r: subject(r) + (r["pattern"],)).items():
        print(row(" ".join(key[:3]) + ("" if key[3] == "ramp" else f" {key[3]}"), group))


def latency(runs):
    """Pairs: the same run with a neighbour that needs nothing, and with one that does."""
    print("\n### request latency, open loop\n")
    print("| allocator | requests | p99.9 without reclaim ms | with ms | ratio | longest ms |")
    print("|---|---|---|---|---|---|")
    for alloc, group in grouped(runs, lambda r: r["alloc"]).items():
        calm = [r for r in group if "unable" not in r and r["need_mib"] <= 0]
        pressed = [r for r in group if "unable" not in r and r["need_mib"] > 0]
        if not calm or not pressed:
            print(f"| {alloc} | cannot run here |")
            continue
        before = statistics.median(values(calm, "p999_usec"))
        after = statistics.median(values(pressed, "p999_usec"))
        print(f"| {alloc} | {sum(values(pressed, 'requests'))} | {before / 1000:.2f} "
              f"| {after / 1000:.2f} | {after / before:.2f} "
              f"| {max(values(pressed, 'max_usec')) / 1000:.1f} |")


def release(runs):
    """What can be had at the most, by what it depends on: MB a second."""
    print("\n### release: a quarter of the limit, without a neighbour\n")
    print("| allocator | order | object B | MB/s | returned of evicted % |")
    print("|---|---|---|---|---|")
    rates = {}
    for key, group in grouped(runs, makeup).items():
        able = [r for r in group if r.get("release_usec")]
        if not able:
            print("| {} | {} | {} | cannot run here | |".format(*key))
            continue
        rates[key] = statistics.median(r["released_mib"] * 1.048576e6 / r["release_usec"]
                                       for r in able)
        part = statistics.median(100 * r["released_mib"] / max(r["evicted_mib"], 1e-9)
                                 for r in able)
        print("| {} | {} | {} | {:.0f} | {:.0f} |".format(*key, rates[key], part))
    return rates


def makeup(run):
    return (run["alloc"], run["order"], run["object"])


def promised(run, rates, full, notice):
    """No kill wherever headroom >= burst x (1 - release rate / ramp) + ramp x notice p99."""
    ramp = run["ramp"] or full
    late = notice[run["ramp"]] * ramp / 1e6 / 1.048576
    return run["headroom"] >= run["burst"] * max(0, 1 - rates[makeup(run)] / ramp) + late


def aim(runs, rates):
    """The promise, held against every ramp that libshrink met."""
    ours = [r for r in runs if r["policy"] == "libshrink" and r["pattern"] == "ramp"
            and "unable" not in r and r["plan"] in MAPS and makeup(r) in rates]
    speeds = [r["hog_rate"] for r in ours if r["ramp"] == 0 and r.get("hog_rate")]
    if not ours or not speeds:
        return
    full = max(speeds)
    notice = {ramp: percentile([abs(n) for n in values(group, "notice_usec")] or [0], 0.99)
              for ramp, group in grouped(ours, lambda r: r["ramp"]).items()}
    due = [r for r in ours if promised(r, rates, full, notice)]
    broken = [r for r in due if killed(r)]
    lucky = [r for r in ours if r not in due and not killed(r)]
    print("\n### the aim: headroom >= burst x (1 - release rate / ramp) + ramp x notice p99\n")
    print(f"Full speed is {full:.0f} MB/s; notice p99: "
          + ", ".join(f"{speed(ramp)} {usec / 1000:.2f} ms" for ramp, usec in notice.items())
          + ".")
    print(f"It asks for survival of {len(due)} of {len(ours)} runs; {len(due) - len(broken)} "
          f"lived. {len(lucky)} lived that it does not ask for.")
    for run in broken:
        print("Killed against the aim: {alloc} {order} {object} B, headroom {headroom}, "
              "burst {burst}, ramp {ramp}".format(**run))


def colour(runs):
    able = [r for r in runs if "unable" not in r]
    if not able:
        return NONE
    dead = sum(killed(r) for r in able)
    return GOOD if not dead else BAD if dead == len(able) else NEAR


def speed(ramp):
    return "full" if ramp == 0 else str(ramp)


def survival_map(runs, title):
    """A square per headroom (down) and ramp (across), for each kind of run."""
    ramps = sorted({r["ramp"] for r in runs}, key=lambda r: r or 10**9)
    rooms = sorted({r["headroom"] for r in runs})
    kinds = grouped(runs, lambda r: (r["policy"], r["alloc"], r["order"], r["object"], r["burst"]))
    several = len({r["policy"] for r in runs}) > 1
    cell, left, top, wide = 26, 46, 44, 4
    panel_w, panel_h = left + cell * len(ramps) + 26, top + cell * len(rooms) + 18
    width = panel_w * min(wide, len(kinds))
    height = 34 + panel_h * -(-len(kinds) // wide)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="10">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="8" y="18" font-size="13">{title}</text>']
    for i, (kind, group) in enumerate(kinds.items()):
        x, y = panel_w * (i % wide), 34 + panel_h * (i // wide)
        policy, alloc, order, size, burst = kind
        name = policy if several else f"{alloc} {order}"
        out.append(f'<text x="{x + 8}" y="{y + 12}" font-weight="bold">{name}</text>')
        out.append(f'<text x="{x + 8}" y="{y + 24}">{size} B, burst {burst} MiB</text>')
        for c, ramp in enumerate(ramps):
            out.append(f'<text x="{x + left + cell * c + 3}" y="{y + top - 6}">'
                       f'{speed(ramp)}</text>')
        for l, room in enumerate(rooms):
            out.append(f'<text x="{x + 8}" y="{y + top + cell * l + 16}">{room}</text>')
            for c, ramp in enumerate(ramps):
                cellruns = [r for r in group if r["ramp"] == ramp and r["headroom"] == room]
                out.append(f'<rect x="{x + left + cell * c}" y="{y + top + cell * l}" '
                           f'width="{cell - 2}" height="{cell - 2}" fill="{colour(cellruns)}"/>')
    out.append(f'<text x="{width - 8}" y="18" text-anchor="end">down: headroom MiB; across: '
               'neighbour MB/s; green lived, red killed, amber both</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    runs = load(sys.argv[1])
    rates = {}
    for plan, group in grouped(runs, lambda r: r["plan"]).items():
        if plan == "latency":
            latency(group)
        elif plan == "release":
            rates = release(group)
        else:
            table(plan, group)
        if len(sys.argv) == 3 and plan in MAPS:
            path = os.path.join(sys.argv[2], f"survival-{plan}.svg")
            with open(path, "w", encoding="utf-8") as svg:
                svg.write(survival_map(group, f"Survival: {plan}"))
    aim(runs, rates)
    torn = sum(r.get("torn", 0) for r in runs)
    print(f"\n{len(runs)} runs, {sum('unable' in r for r in runs)} not possible here, "
          f"{torn} damaged objects")
    return 1 if torn else 0


if __name__ == "__main__":
    sys.exit(main())
