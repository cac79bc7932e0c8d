"""Records made from scenario rows, and what differs between a row and the decision.

The files of tests/scenarios/eligibility hold rows; `usual.yaml` holds what every row starts from and says how
a row is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import draft_orders
from eligibility_scoring import group_survival
from eligibility_scoring import knowledge as service_knowledge
from eligibility_scoring.decision import decide
from eligibility_scoring.options import Appraisal
from eligibility_scoring.questions import questions
from isodose.clinical import facts
from isodose.clinical.finding import Finding, by_code
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course, Exposure, Fact, Operation, PatientRecord, Scan, Scope, Subject

SCENARIOS = Path(__file__).parents[1] / "scenarios" / "eligibility"
ON = dt.date(2026, 11, 23)
USUAL: dict[str, Any] = yaml.safe_load((SCENARIOS / "usual.yaml").read_text(encoding="utf-8"))
Row = dict[str, Any]

SUBJECTS: dict[str, Scope] = {"lesions": "lesion", "plans": "plan", "courses": "course", "imaging": "imaging"}
RECORD_PARTS: dict[str, Any] = {
    "courses": Course,
    "exposures": Exposure,
    "scans": Scan,
    "operations": Operation,
}
GIVEN = {
    "name",
    "file",
    "on",
    "facts",
    "without",
    "record",
    "birth_year",
    "sex",
    "enable",
    *draft_orders.GIVEN,
    *SUBJECTS,
}
EXPECTED = {
    "verdicts",
    "values",
    "says",
    "missing",
    "absent",
    "prognosis",
    "scores",
    "bounds",
    "first_missing",
    "questions",
    "options",
    "possible",
    "applies_to",
    "leading",
    *draft_orders.EXPECTED,
}


def rows_of(file: Path) -> list[Row]:
    """The rows of one file, each with the usual patient and subjects of that file filled in."""
    told = _with_on(yaml.safe_load(file.read_text(encoding="utf-8")))
    usual = {**told, **{key: {**USUAL.get(key, {}), **told.get(key, {})} for key in _usual_keys()}}
    return [_complete(row, usual, file.stem) for row in told["rows"]]


def _with_on(told: Any) -> Any:
    """YAML 1.1 reads the key `on` as true; here it is the day."""
    if isinstance(told, dict):
        return {"on" if key is True else key: _with_on(value) for key, value in told.items()}
    return [_with_on(item) for item in told] if isinstance(told, list) else told


@cache
def all_rows() -> tuple[Row, ...]:
    files = sorted(
        file for file in SCENARIOS.glob("*.yaml") if file.name not in ("usual.yaml", "trials.yaml")
    )
    return tuple(row for file in files for row in rows_of(file))


def _usual_keys() -> tuple[str, ...]:
    return ("usual_patient", *(f"usual_{scope}" for scope in SUBJECTS.values()))


def _complete(row: Row, usual: dict[str, Any], file: str) -> Row:
    unread = row.keys() - GIVEN - EXPECTED
    assert not unread, f"{file}: {row.get('name')}: no such key {sorted(unread)}"
    made = {**row, "file": file}
    made["facts"] = {**usual["usual_patient"], **row.get("facts", {})}
    for name in row.get("without", ()):
        del made["facts"][name]
    for key, scope in SUBJECTS.items():
        given = row.get(key, [{}] if key == "lesions" else [])
        made[key] = [{**usual[f"usual_{scope}"], **changed} for changed in given]
    return made


def record_from(row: Row) -> PatientRecord:
    """The record of a complete row."""
    on = row.get("on", ON)
    subjects = [
        Subject(
            ref=str(given.pop("ref", f"{number}" if scope == "lesion" else f"{scope}-{number}")),
            scope=scope,
            links=tuple(map(str, given.pop("links", ()))),
            facts=_stated(given, on),
        )
        for key, scope in SUBJECTS.items()
        for number, given in enumerate(map(dict, row.get(key, ())), 1)
    ]
    parts = {
        part: tuple(msgspec.convert(item, kind) for item in row.get("record", {}).get(part, ()))
        for part, kind in RECORD_PARTS.items()
    }
    drafted = draft_orders.course(row, on)
    parts["courses"] += (drafted,) if drafted else ()
    return PatientRecord(
        patient_id="p",
        birth_year=row.get("birth_year"),
        sex=row.get("sex", "unknown"),
        facts=_stated(row["facts"], on),
        subjects=tuple(subjects),
        **parts,
    )


def _stated(known: dict[str, Any], on: dt.date) -> tuple[Fact, ...]:
    return tuple(
        _fact(name, given, on)
        for name, listed in known.items()
        for given in (listed if isinstance(listed, list) else [listed])
        if given is not None
    )


def _fact(name: str, given: Any, on: dt.date) -> Fact:
    unit = facts.definition(name).unit
    if not isinstance(given, dict):
        return Fact(name=name, value=given, unit=unit)
    day = given.get("on")
    when = on + dt.timedelta(days=day) if isinstance(day, int) else day
    return Fact(name=name, value=given["value"], unit=unit, on=when)


@cache
def knowledge_with(*enabled: str) -> Knowledge:
    return service_knowledge.load(enabled)


def differences(row: Row, knowledge: Knowledge | None = None) -> list[str]:
    """Where the decision differs from what a complete row expects; empty when it is as told."""
    held = knowledge or knowledge_with(*row.get("enable", ()))
    record = record_from(row)
    findings = decide(record, held, row.get("on", ON))
    return [
        *_in_findings(row, findings),
        *_in_questions(row, findings),
        *_in_prognosis(row, findings, held, record),
        *_in_options(row, findings, held, record),
        *draft_orders.differences(row, record, findings, held),
    ]


def _in_findings(row: Row, findings: list[Finding]) -> Iterator[str]:
    by_code: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, {})[finding.applies_to] = finding
    asked: tuple[tuple[str, Callable[[Finding], Any]], ...] = (
        ("verdicts", lambda f: f.verdict),
        ("values", lambda f: f.value),
    )
    for key, seen in asked:
        for code, told in row.get(key, {}).items():
            found = {ref: seen(finding) for ref, finding in by_code.get(code, {}).items()}
            wanted = (
                {str(ref): value for ref, value in told.items()}
                if isinstance(told, dict)
                else dict.fromkeys(found, told)
            )
            got = {ref: found.get(ref) for ref in wanted} if found else {}
            if not found or any(not _same(got[ref], value) for ref, value in wanted.items()):
                yield f"{code}: {key} {found}, told {told}"
    for code, words in row.get("says", {}).items():
        said = [f"{f.summary} {f.boundary} {f.conflicts} {f.suspect}" for f in by_code.get(code, {}).values()]
        if not any(words in text for text in said):
            yield f"{code}: says {said}, told {words!r}"
    for code, names in row.get("missing", {}).items():
        if code in by_code:
            absent = {name for f in by_code[code].values() for name in f.missing}
            if not set(names) <= absent:
                yield f"{code}: missing {sorted(absent)}, told {names}"


def _in_questions(row: Row, findings: list[Finding]) -> Iterator[str]:
    asked = {
        question.code: {side.position: list(side.arguments) for side in question.sides}
        for question in questions(by_code(findings))
    }
    for code, told in row.get("questions", {}).items():
        if told is None:
            if code in asked:
                yield f"{code}: asked, told not to be"
        else:
            got = {position: asked.get(code, {}).get(position) for position in told}
            if got != told:
                yield f"{code}: {asked.get(code)}, told {told}"


def _in_prognosis(
    row: Row, findings: list[Finding], knowledge: Knowledge, record: PatientRecord
) -> Iterator[str]:
    for code in row.get("absent", ()):
        if any(f.code == code for f in findings):
            yield f"{code}: judged, told to be absent"
    told = row.get("prognosis")
    if told is not None:
        found = group_survival.of(record, by_code(findings), knowledge, row.get("on", ON))
        seen = found and {"index": found.index, "score": found.score, "median_months": found.median_months}
        if seen != told:
            yield f"prognosis {seen}, told {told}"


def _in_options(
    row: Row, findings: list[Finding], knowledge: Knowledge, record: PatientRecord
) -> Iterator[str]:
    appraisal = Appraisal(findings, knowledge, record)
    by_code = {option.code: option for option in appraisal.options}
    lead = appraisal.leading
    if "leading" in row and (lead.code if lead else None) != row["leading"]:
        yield f"leading {lead.code if lead else None}, told {row['leading']}"
    for code, standing in row.get("options", {}).items():
        if by_code[code].standing != standing:
            yield f"{code}: {by_code[code].standing}, told {standing}"
    for code, names in row.get("missing", {}).items():
        if code in by_code and not set(names) <= set(by_code[code].missing):
            yield f"{code}: missing {by_code[code].missing}, told {names}"
    for code, told in row.get("scores", {}).items():
        if by_code[code].score != told:
            yield f"{code}: score {by_code[code].score} {by_code[code].criteria}, told {told}"
    for code, told in row.get("bounds", {}).items():
        if list(by_code[code].bound) != told:
            yield f"{code}: bound {by_code[code].bound}, told {told}"
    if (
        "first_missing" in row
        and (names := [m.name for m in appraisal.missing])
        and (names[: len(row["first_missing"])] != row["first_missing"])
    ):
        yield f"most decisive {names}, told {row['first_missing']}"
    for key in ("possible", "applies_to"):
        for code, told in row.get(key, {}).items():
            if list(getattr(by_code[code], key)) != told:
                yield f"{code}: {key} {getattr(by_code[code], key)}, told {told}"


def _same(found: Any, told: Any) -> bool:
    if isinstance(told, float) and isinstance(found, int | float):
        return bool(found == pytest.approx(told, abs=0.005))
    return bool(found == told) and isinstance(found, bool) == isinstance(told, bool)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `row` runs for each row of each scenario file."""
    if "row" in metafunc.fixturenames and not any(
        "row" in str(mark.args[:1]) for mark in metafunc.definition.iter_markers("parametrize")
    ):
        rows = all_rows()
        metafunc.parametrize("row", rows, ids=[f"{row['file']}: {row['name']}" for row in rows])


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return knowledge_with()


@pytest.fixture(scope="session")
def usual() -> dict[str, Any]:
    return USUAL


@pytest.fixture(scope="session")
def rows() -> tuple[Row, ...]:
    """The rows of all files."""
    return all_rows()


@pytest.fixture(scope="session")
def record_of() -> Callable[[Row], PatientRecord]:
    """A record from a row as it is written in a file."""
    usual = {key: USUAL.get(key, {}) for key in _usual_keys()}
    return lambda row: record_from(_complete(row, usual, "here"))


@pytest.fixture(scope="session")
def differs() -> Callable[..., list[str]]:
    """`differs(row, knowledge)`: see `differences`."""
    return differences
