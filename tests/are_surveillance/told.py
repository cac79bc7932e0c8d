"""Records as a scenario tells them: courses, scans, drugs, operations and facts in a few words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from are_surveillance import decision
from isodose.clinical import facts, rules
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course, Exposure, Fact, Operation, PatientRecord, Scan, Scope, Subject

SCENARIOS = Path(__file__).parents[1] / "scenarios" / "surveillance"
ON = dt.date(2026, 11, 23)
REFS: Mapping[Scope, str] = {
    "lesion": "BodyStructure/l1",
    "plan": "ServiceRequest/p1",
    "imaging": "ImagingStudy/i1",
    "course": "Procedure/c0",
}
LINKS: Mapping[Scope, tuple[str, ...]] = {"plan": ("BodyStructure/l1",), "imaging": ("BodyStructure/l1",)}
RULES = {rule.code: rule for rule in decision.RULES}


def rows_of(*names: str) -> list[dict[str, Any]]:
    """The rows of the scenario files `names`."""
    return [
        row
        for name in names
        for row in yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"))
    ]


def judged(code: str, known: Mapping[str, Any], knowledge: Knowledge) -> Any:
    """What comes out of one entry on facts alone: a verdict, or its value where it gives one."""
    record = record_of({"facts": known})
    (finding,) = rules.judge([RULES[code]], record, knowledge, ON)
    return finding.verdict if finding.value is None else finding.value


def record_of(row: Mapping[str, Any]) -> PatientRecord:
    """What a scenario row tells. A fact is a value, or {value, on} with the day it holds from."""
    stated = [_fact(name, told) for name, told in row.get("facts", {}).items()]
    return PatientRecord(
        patient_id="p",
        deceased=row.get("deceased", False),
        facts=tuple(f for f in stated if _scope(f) in ("patient", "site")),
        subjects=tuple(_subjects(stated)),
        courses=tuple(_course(i, told) for i, told in enumerate(row.get("courses", ()))),
        scans=tuple(_scan(i, told) for i, told in enumerate(row.get("scans", ()))),
        exposures=tuple(_exposure(i, told) for i, told in enumerate(row.get("drugs", ()))),
        operations=tuple(_operation(i, told) for i, told in enumerate(row.get("operations", ()))),
    )


def _fact(name: str, told: Any) -> Fact:
    value, on = (told["value"], told.get("on")) if isinstance(told, dict) else (told, None)
    definition = facts.definition(name)
    return Fact(name=name, value=value, unit=definition.unit, on=on, source=f"Observation/{name}")


def _scope(fact: Fact) -> Scope:
    return facts.definition(fact.name).scope


def _subjects(stated: Iterable[Fact]) -> Iterable[Subject]:
    by_scope: dict[Scope, list[Fact]] = {}
    for fact in stated:
        if _scope(fact) in REFS:
            by_scope.setdefault(_scope(fact), []).append(fact)
    for scope, found in sorted(by_scope.items()):
        yield Subject(ref=REFS[scope], scope=scope, facts=tuple(found), links=LINKS.get(scope, ()))


def _course(index: int, told: dict[str, Any]) -> Course:
    usual = {"ref": f"Procedure/c{index}", "kind": "single_srs", "certainty": "sure", "status": "completed"}
    return msgspec.convert(usual | told, Course)


def _scan(index: int, told: dict[str, Any]) -> Scan:
    usual = {"ref": f"ImagingStudy/s{index}", "modality": "MR", "region": "brain", "status": "done"}
    dated = {"on" if name == "day" else name: value for name, value in told.items()}
    return msgspec.convert(usual | dated, Scan)


def _exposure(index: int, told: dict[str, Any]) -> Exposure:
    usual = {"ref": f"MedicationRequest/d{index}", "status": "active"}
    return msgspec.convert(usual | told, Exposure)


def _operation(index: int, told: dict[str, Any]) -> Operation:
    usual = {"ref": f"Procedure/o{index}", "kind": "resection_brain_lesion", "status": "done"}
    dated = {"on" if name == "day" else name: value for name, value in told.items()}
    return msgspec.convert(usual | dated, Operation)
