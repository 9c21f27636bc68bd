"""Measures how long `verify` takes for long answers and long sources, and that it ends in time.

    python benchmarks/safety/verifying.py [--max-seconds 20]

Prints CPU seconds for each case. Texts are drawn from a fixed seed. The last two are
hostile: a sentence of hundreds of numbers against a table, and one of hundreds of names.
"""

from __future__ import annotations

import argparse
import random
import time

from deepseek_ocr_rag import verify

KEEPERS = ["Ann Lee", "Ivo Kappel", "Helen Strand", "Ruth Almeida", "Jonas Reik", "Petra Holm"]
THINGS = [
    "lamp",
    "fog horn",
    "ladder",
    "oil store",
    "north window",
    "landing stage",
    "boat house",
    "clock",
]
DEEDS = ["repaired", "painted", "inspected", "replaced", "measured", "cleaned", "sold", "drew"]
PLACES = ["Corrie Head", "Vannet Rock", "the harbour", "the county office", "the upper mill"]


def sentences(count: int, seed: int) -> list[str]:
    """Sentences of a log, most of them different."""
    dice = random.Random(seed)
    return [
        f"{dice.choice(KEEPERS)} {dice.choice(DEEDS)} the {dice.choice(THINGS)} of {dice.choice(PLACES)}"
        f" on {dice.randint(1, 28)} March {dice.randint(1880, 1960)} for {dice.randint(2, 900)} crowns."
        for _ in range(count)
    ]


def cases() -> dict[str, tuple[str, list[str]]]:
    """Answers and sources by name."""
    log = " ".join(sentences(4200, 1))
    page = log[:1500]
    known = [each for each in sentences(4200, 1) if each in log]
    dice = random.Random(2)
    mixed = [
        dice.choice(known[:19] if dice.random() < 0.5 else known).replace(
            "March", dice.choice(["March", "May"])
        )
        for _ in range(1000)
    ]
    table = "\n".join(f"| Ward {n} | {n} | {n + 1} | 5 |" for n in range(300))
    head = "| Ward | beds | staff | rooms |\n| --- | --- | --- | --- |\n"
    numbers = " and ".join(map(str, range(10, 260)))
    names = " ".join(f"Ann{n} Bob{n}" for n in range(140))
    met = " ".join(f"Ann{n} met Bob{n} and Carl{n} in Leeds." for n in range(300))
    return {
        "1,000 sentences, 1.5 kB": ("\n".join(mixed), [page]),
        "20 sentences, 400 kB": ("\n".join(mixed[:20]), [log]),
        "20 sentences, 400 kB in 250 passages": (
            "\n".join(mixed[:20]),
            [log[at : at + 1600] for at in range(0, len(log), 1600)],
        ),
        "240 numbers, table of 300 rows": (f"The total was {numbers}.", [head + table]),
        "280 names, 300 sentences": (f"{names}.", [met]),
    }


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--max-seconds", type=float, default=20.0)
    given = parser.parse_args()
    verify("The lamp is old.", ["The lamp is very old."])
    for name, (answer, sources) in cases().items():
        begin, wall = time.process_time(), time.perf_counter()
        checked = verify(answer, sources, max_seconds=given.max_seconds)
        print(
            f"{name}: {time.process_time() - begin:.1f} s of CPU,"
            f" {time.perf_counter() - wall:.1f} s; {checked!r}",
            flush=True,
        )


if __name__ == "__main__":
    main()
