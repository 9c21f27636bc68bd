"""Measures answers over small PDFs of our own, on subjects that no rule was chosen on when written.

    python benchmarks/qa/small_documents.py [--details]

``small_documents.json`` has the documents (laboratory reports, timetables, prices, sport, energy,
payrolls, marks, statements, wards, groves, machines, lists of people and of their duties, prose; nine
languages) and what is asked of them, with the right answer.
They are drawn as PDFs, read by ``lite``, and used as a user would:

* ``true`` and ``false``: statements that ``verify`` supports, and those that it refuses;
* ``found``: questions whose answer is among what :class:`DocumentQA` quotes without a model;
* ``refused``: questions that the document does not answer, for which it quotes nothing or calls
  what it quotes the nearest passages.

The ``first`` set was written before the rules on parts of sentences, the ``second`` and the ``third``
after some of them. The rules on names in tables were chosen on the ``fourth``; the ``fifth`` was written
before them, the ``sixth`` after those that the fifth had shown to be missing. The rules on verbs that are
left out, on months, subjects, and sums of tables were chosen on the ``seventh``; the ``eighth`` was
written with it and held back. Each was measured once before anything was changed for it
(``benchmarks/NOTES.md``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reportlab.lib import colors
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from deepseek_ocr_rag import DocumentQA, OcrDocument, Reader, verify
from deepseek_ocr_rag.backends import LiteBackendWarning

DATA = Path(__file__).with_name("small_documents.json")
KINDS = ("true", "false", "found", "refused")


def drawn(parts: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """A PDF of some headings, paragraphs and tables."""
    styles = getSampleStyleSheet()
    flow: list[Flowable] = []
    for part in parts:
        if "heading" in part:
            flow.append(Paragraph(part["heading"], styles["Heading2"]))
        elif "text" in part:
            flow += [Paragraph(part["text"], styles["Normal"]), Spacer(1, 8)]
        else:
            flow += [table(part["table"], part["rules"]), Spacer(1, 10)]
    SimpleDocTemplate(str(path)).build(flow)
    return path


def table(rows: list[list[str]], rules: str) -> Table:
    """A table with figures at the right of their columns."""
    style: list[tuple[Any, ...]] = [("ALIGN", (1, 0), (-1, -1), "RIGHT")]
    if rules == "grid":
        style.append(("GRID", (0, 0), (-1, -1), 0.5, colors.black))
    elif rules == "lines":
        style += [("LINEBELOW", (0, row), (-1, row), 0.8, colors.black) for row in (0, -1)]
    return Table(rows, hAlign="LEFT", style=TableStyle(style))


def kind_of(check: Mapping[str, Any]) -> str:
    if "statement" in check:
        return "true" if check["expected"] else "false"
    return "found" if check["answer"] else "refused"


def holds(check: Mapping[str, Any], document: OcrDocument) -> bool:
    """Whether the package judges a statement, or answers a question, as it should."""
    if "statement" in check:
        question = check.get("question", "")
        found = verify(check["statement"], document, question=question).supported
        return bool(found == check["expected"])
    answer = DocumentQA(document).ask(check["question"])
    refused = answer.nearest or not answer.quoted
    if check["answer"] is None:
        return refused
    return not refused and any(check["answer"] in each.text for each in answer.sentences)


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers over small documents of our own.")
    parser.add_argument("--details", action="store_true", help="print what did not hold")
    options = parser.parse_args()
    data = json.loads(DATA.read_text("utf-8"))
    warnings.simplefilter("ignore", LiteBackendWarning)
    with tempfile.TemporaryDirectory() as folder, Reader("lite", cache=False) as reader:
        documents = {
            name: reader.read(drawn(each["parts"], Path(folder) / f"{name}.pdf"))
            for name, each in data["documents"].items()
        }
    counts: dict[str, dict[str, list[bool]]] = {}
    for check in data["checks"]:
        name, kind = check["document"], kind_of(check)
        held = holds(check, documents[name])
        counts.setdefault(data["documents"][name]["set"], {}).setdefault(kind, []).append(held)
        if options.details and not held:
            print(f"  {name}, {kind}: {check.get('statement') or check['question']}")
    print(f"{'':10}" + "".join(f"{kind:>12}" for kind in (*KINDS, "all")))
    for name, kinds in counts.items():
        cells = [kinds.get(kind, []) for kind in KINDS]
        cells.append([held for cell in cells for held in cell])
        print(f"{name:10}" + "".join(f"{f'{sum(c)} of {len(c)}' if c else '':>12}" for c in cells))


if __name__ == "__main__":
    main()
