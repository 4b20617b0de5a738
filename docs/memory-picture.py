#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""Draws docs/memory.svg: examples/pool | python3 docs/memory-picture.py >docs/memory.svg

Standard input: lines "object size, % returned by malloc, % returned by the pool".
"""
import sys

WIDTH, HEIGHT, LEFT, TOP, BASE = 640, 300, 60, 48, 248
BARS = (("malloc, malloc_trim()", "#b5482f"), ("pool", "#2f6f9f"))


def text(x, y, words, anchor="middle", size=13):
    return (f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-family="sans-serif" '
            f'font-size="{size}" fill="#222">{words}</text>')


def rows():
    for line in sys.stdin:
        if line.strip():
            size, *values = line.split(",")
            yield int(size), [max(0.0, float(v)) for v in values]


def scale(percent):
    return BASE - min(percent, 110) * (BASE - TOP) / 110


def draw(data):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           text(WIDTH // 2, 22, "A quarter of a cache is evicted: % of it that comes back", size=15)]
    for percent in (0, 50, 100):
        y = scale(percent)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" '
                   'stroke="#ccc"/>')
        out.append(text(LEFT - 8, f"{y + 4:.1f}", f"{percent} %", "end"))
    step = (WIDTH - 20 - LEFT) / len(data)
    for i, (size, values) in enumerate(data):
        middle = LEFT + step * (i + 0.5)
        for k, value in enumerate(values):
            x, y = middle + (k - 1) * 40, scale(value)
            out.append(f'<rect x="{x + 3:.1f}" y="{y:.1f}" width="34" '
                       f'height="{max(BASE - y, 1):.1f}" fill="{BARS[k][1]}"/>')
            out.append(text(f"{x + 20:.1f}", f"{y - 4:.1f}", f"{value:.0f}", size=12))
        out.append(text(f"{middle:.1f}", BASE + 18, f"{size} B"))
    for k, (name, colour) in enumerate(BARS):
        x = LEFT + 120 + k * 220
        out.append(f'<rect x="{x}" y="{HEIGHT - 22}" width="12" height="12" fill="{colour}"/>')
        out.append(text(x + 18, HEIGHT - 11, name, "start"))
    return "\n".join(out + ["</svg>"])


print(draw(list(rows())))
