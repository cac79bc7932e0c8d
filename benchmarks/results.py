"""Results that are kept: what was measured when, on which machine, with which versions; and a table of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import described
from benchmarks.report import MARKS, Line

PLACE = Path(__file__).parent / "results"
_HEAD = """\
# Results of `make bench`

Made by `make bench ARGS=--keep`; not edited by hand. What limits each figure: [docs/performance.md](../../docs/performance.md).
A ratio is ours / reference, both measured in the same run on the same machine, clients and databases included.
"""  # noqa: E501 (a line of Markdown)


def keep(measured: Mapping[str, list[Line]], place: Path = PLACE) -> None:
    """Put these measurements in the place of those of the same name; others stay as they were measured."""
    file = place / "results.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    machine = described()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for name, lines in measured.items():
        kept[name] = {"on": today, "machine": machine, "lines": [_plain(line) for line in lines]}
    place.mkdir(exist_ok=True)
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (place / "README.md").write_text(markdown(kept))


def markdown(kept: Mapping[str, Any]) -> str:
    """The same for people: the machines first, a table for each measurement then."""
    machines: list[dict[str, str]] = []
    for one in kept.values():
        if one["machine"] not in machines:
            machines.append(one["machine"])
    parts = [_HEAD]
    for number, machine in enumerate(machines, 1):
        said = "; ".join(f"{name} {value}" for name, value in machine.items())
        parts.append(f"\nMachine {number}: {said}.\n")
    for name, one in kept.items():
        parts.append(f"\n## {name}\n\nOn {one['on']}, machine {machines.index(one['machine']) + 1}.\n\n")
        parts.append("| what | ours | reference | ratio | target | |\n|---|---|---|---|---|---|\n")
        parts += [_row(line) for line in one["lines"]]
    return "".join(parts)


def _plain(line: Line) -> dict[str, Any]:
    plain = asdict(line)
    return plain | {"ratio": None if line.ratio is None else float(f"{line.ratio:.3g}")}


def _row(line: Mapping[str, Any]) -> str:
    ratio = "" if line["ratio"] is None else f"{line['ratio']:.3g}"
    cells = (line["what"], line["ours"], line["reference"], ratio, line["target"], MARKS[line["met"]])
    return f"| {' | '.join(cells)} |\n"
