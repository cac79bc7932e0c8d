"""docs/conformance.md names tests that are there, and leaves no numbered requirement out."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "conformance.md").read_text(encoding="utf-8")
NUMBERS = {"CH": 50, "FR": 38, "SM": 10, "SU": 7, "BD": 4, "RE": 11, "CE": 7, "AA": 4, "OT": 8, "DC": 9}
STATES = ("met", "partly", "not done", "not applicable")


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if re.match(r"\| [A-Z]{2}-", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`([a-z_]+/test_[a-z_]+\.py)::(test_[a-z0-9_]+)`", PAGE)
    assert len(named) > 100
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in (TESTS / file).read_text()]
    assert missing == []


def test_every_number_is_accounted_for() -> None:
    told: set[str] = set()
    for number, *_ in rows():
        first, _, last = number.partition(" to ")
        kind, start = first.split("-")
        end = int(last.split("-")[1]) if last else int(start)
        told |= {f"{kind}-{n}" for n in range(int(start), end + 1)}
    assert told == {f"{kind}-{n}" for kind, most in NUMBERS.items() for n in range(1, most + 1)}


def test_every_row_says_its_state_and_a_test_or_a_reason() -> None:
    for number, _, state, why in rows():
        assert state in STATES, number
        assert why, number
        assert state != "met" or "::" in why or "make bench" in why, number
