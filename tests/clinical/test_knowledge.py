"""Knowledge is dated and cited data; what does not validate is refused with its place."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pytest

from isodose.clinical.knowledge import Knowledge, KnowledgeError, load

ENTRY = """
entries:
  X:
    statement: Poor.
    strength: conditional
    evidence:
      - {{cite: A, ref: [1]}}
    values:
      below:
{values}
"""
TWO = """        - {from: 2025-03-19, until: 2026-06-01, value: 70}
        - {from: 2026-06-01, value: 60}"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "some_knowledge"
    (folder / "knowledge").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "some_knowledge", raising=False)
    return folder / "knowledge"


def told(package: Path, text: str, name: str = "a.yaml") -> Knowledge:
    (package / name).write_text(text)
    return load("some_knowledge")


@pytest.mark.parametrize(
    ("day", "value"),
    [("2025-03-19", 70), ("2026-05-31", 70), ("2026-06-01", 60), ("2030-01-01", 60), ("2019-01-01", 70)],
)
def test_the_value_in_force_on_the_day_is_used_and_the_first_one_before_it(
    package: Path, day: str, value: int
) -> None:
    knowledge = told(package, ENTRY.format(values=TWO))
    assert knowledge.values("X", dt.date.fromisoformat(day))["below"] == value


def test_a_day_on_which_no_value_is_in_force_is_said(package: Path) -> None:
    ended = "        - {from: 2025-03-19, until: 2026-06-01, value: 70}"
    knowledge = told(package, ENTRY.format(values=ended))
    with pytest.raises(KnowledgeError, match="X has no value 'below'"):
        knowledge.values("X", dt.date(2026, 7, 1))["below"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ENTRY.format(values="        []").replace("below:\n        []", "below: []"), "has no value"),
        (ENTRY.format(values=TWO.replace("until: 2026-06-01", "until: 2026-07-01")), "overlaps"),
        (ENTRY.format(values=TWO.replace("until: 2026-06-01, ", "")), "overlaps"),
        (ENTRY.format(values=TWO).replace("\n      - {cite: A, ref: [1]}", " []"), "no source"),
        (ENTRY.format(values=TWO).replace("conditional", "certain"), "strength"),
        (ENTRY.format(values=TWO).replace("statement", "sentence"), "sentence"),
        (": : :", "a.yaml"),
    ],
)
def test_what_does_not_validate_is_refused_with_its_place(package: Path, text: str, why: str) -> None:
    with pytest.raises(KnowledgeError, match=why) as refused:
        told(package, text)
    assert "a.yaml" in str(refused.value)


def test_an_entry_defined_twice_is_refused(package: Path) -> None:
    told(package, ENTRY.format(values=TWO))
    with pytest.raises(KnowledgeError, match=r"b\.yaml: X is defined twice"):
        told(package, ENTRY.format(values=TWO), "b.yaml")


def test_a_package_without_knowledge_is_refused(package: Path) -> None:
    with pytest.raises(KnowledgeError, match="has no knowledge"):
        load("some_knowledge")


def test_enabling_an_entry_that_is_not_there_is_refused(package: Path) -> None:
    (package / "a.yaml").write_text(ENTRY.format(values=TWO))
    with pytest.raises(KnowledgeError, match="unknown entries: Y"):
        load("some_knowledge", enable=["Y"])


def test_the_version_changes_with_content_and_with_what_is_enabled(package: Path) -> None:
    one = told(package, ENTRY.format(values=TWO))
    assert load("some_knowledge").version == one.version
    assert load("some_knowledge", enable=["X"]).version != one.version
    assert told(package, ENTRY.format(values=TWO.replace("60", "61"))).version != one.version
