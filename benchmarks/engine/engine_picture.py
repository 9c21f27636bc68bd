"""Draws where a page's milliseconds go: ``docs/engine.svg`` out of ``docs/engine-profile.json``.

    python benchmarks/engine/engine_picture.py

The numbers are those of ``benchmarks/engine/engine.py`` (steps) and ``benchmarks/engine/vision.py``,
brought to one page of 1,000 tokens among 256.
"""

from __future__ import annotations

import json
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
COLOURS = ("#4c78a8", "#72b7b2", "#e45756", "#f58518", "#eeca3b", "#b279a2", "#bab0ac")
LEFT, WIDTH, BAR, GAP, TOP = 150, 620, 26, 14, 64


def main() -> None:
    profile = json.loads((DOCS / "engine-profile.json").read_text())
    bars = profile["bars"]
    kinds = list(dict.fromkeys(kind for bar in bars for kind in bar["parts"]))
    colours = dict(zip(kinds, COLOURS, strict=False))
    scale = WIDTH / max(sum(bar["parts"].values()) for bar in bars)
    height = TOP + len(bars) * (BAR + GAP) + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 70} {height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{LEFT + WIDTH + 70}" height="{height}" fill="white"/>',
    ]
    x = LEFT
    for kind in kinds:
        out.append(f'<rect x="{x}" y="14" width="11" height="11" fill="{colours[kind]}"/>')
        out.append(f'<text x="{x + 15}" y="24">{kind}</text>')
        x += 28 + 6.3 * len(kind)
    out.append(
        f'<text x="{LEFT}" y="48" fill="#555">ms of the GPU for a page of 1,000 tokens among 256'
        f" ({profile['card']})</text>"
    )
    for row, bar in enumerate(bars):
        y, x = TOP + row * (BAR + GAP), float(LEFT)
        middle = y + BAR / 2 + 4
        out.append(f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{bar["name"]}</text>')
        for kind, took in bar["parts"].items():
            width = took * scale
            out.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}"'
                f' fill="{colours[kind]}"><title>{kind}: {took} ms</title></rect>'
            )
            if width > 28:
                out.append(
                    f'<text x="{x + width / 2:.1f}" y="{middle}" fill="white"'
                    f' text-anchor="middle">{took:.1f}</text>'
                )
            x += width
        total = sum(bar["parts"].values())
        out.append(f'<text x="{x + 6:.1f}" y="{middle}">{total:.1f}</text>')
    (DOCS / "engine.svg").write_text("\n".join([*out, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
