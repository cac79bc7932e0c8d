"""How a measurement is printed: what, ours, the reference, their ratio, and the target where there is one."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

MARKS = {None: "", True: "met", False: "MISSED"}


@dataclass(frozen=True)
class Line:
    """One measurement. `ratio` is ours divided by the reference's; `met` is None where no target is set."""

    what: str
    ours: str
    reference: str
    ratio: float | None
    target: str = ""
    met: bool | None = None


def print_lines(lines: list[Line]) -> None:
    """A table for people; a missed target is marked."""
    table = Table(title="Ratios are ours / reference, both measured in this run", title_justify="left")
    for column in ("what", "ours", "reference", "ratio", "target", ""):
        table.add_column(column, overflow="fold")
    for line in lines:
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        table.add_row(line.what, line.ours, line.reference, ratio, line.target, MARKS[line.met])
    Console(width=150).print(table)
