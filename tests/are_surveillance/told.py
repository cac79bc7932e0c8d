"""Records as a scenario tells them: courses, scans, drugs, operations and facts in a few words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from are_surveillance import decision
from are_surveillance.management.options import treatments
from are_surveillance.open_work import open_work
from are_surveillance.outputs import resources
from are_surveillance.outputs.orders import ASKED
from are_surveillance.risk.profile import profiles
from are_surveillance.workup.states import workups
from are_surveillance.workup.steps import steps
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


def judged_differs(row: Mapping[str, Any], knowledge: Knowledge) -> list[str]:
    """Where one case of a row that takes an entry to its limits comes out otherwise."""
    known = {**row.get("given", {}), **row["case"]}
    expected = known.pop("is")
    found = judged(row["code"], known, knowledge)
    return [] if found == expected else [f"{row['name']} {row['case']}: {found}"]


def record_of(row: Mapping[str, Any]) -> PatientRecord:
    """What a scenario row tells. A fact is a value, or {value, since} with its day; with `read`
    (likely or ask) it was not stated but read from another resource.
    """
    stated = [
        _fact(name, one)
        for name, told in row.get("facts", {}).items()
        for one in (told if isinstance(told, list) else [told])
    ]
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
    value, on = (told["value"], told.get("since")) if isinstance(told, dict) else (told, None)
    definition = facts.definition(name)
    stated = Fact(name=name, value=value, unit=definition.unit, on=on, source=f"Observation/{name}")
    if not (isinstance(told, dict) and "read" in told):
        return stated
    return msgspec.structs.replace(
        stated, source=f"Encounter/{name}", certainty=told["read"], stated=False, reasons=("As read.",)
    )


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


BASE = "https://isodose.example/fhir"
SRS = dt.date(2026, 1, 5)
CHANGED = dt.date(2026, 9, 21)
DATED = ("new_or_growing_enhancement", "tric_present", "are_status")


def concluded(row: Mapping[str, Any], knowledge: Knowledge) -> list[dict[str, Any]]:
    """The FHIR resources that follow from a row on its day."""
    record, on = record_of(row), row["day"]
    return resources(record, decision.decide(record, knowledge, on), knowledge, on, BASE)


def _task(made: Iterable[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    tasks = [r for r in made if r["resourceType"] == "Task"]
    return next((t for t in tasks if t["code"]["coding"][0]["code"] == kind), None)


def _changing(row: Mapping[str, Any], **usual: Any) -> dict[str, Any]:
    known = {**usual, **row.get("facts", {})}
    dated = {name: _seen(name, value) for name, value in known.items()}
    told = {"day": dt.date(2026, 10, 1), "courses": [{"end": SRS}], **row, "facts": dated}
    study = told.get("study", CHANGED)
    scans = told.get("scans", [{"day": CHANGED}])
    return {**told, "scans": [*scans, {"ref": REFS["imaging"], "day": study, "modality": "other"}]}


def _seen(name: str, value: Any) -> Any:
    return {"value": value, "since": CHANGED} if name in DATED and not isinstance(value, dict) else value


def _unlike(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {seen[key]}, told {value}" for key, value in wanted.items() if seen[key] != value]


def plan_differs(row: Mapping[str, Any], knowledge: Knowledge) -> list[str]:
    """Where the plan differs from what the row expects; see schedule.yaml."""
    record, on, expected = record_of(row), row["day"], row["expect"]
    findings = decision.decide(record, knowledge, on)
    plan = decision.plan_of(record, findings, knowledge, on)
    made = resources(record, findings, knowledge, on, BASE)
    place = plan.active
    window = place.slot.window if place else None
    completed = [p.slot.window for p in plan.places if p.state == "completed"]
    words = str([r for r in made if r["resourceType"] in ("CarePlan", "Task")])
    seen: dict[str, Any] = {
        "status": plan.status,
        "window": place and window and [place.slot.number, place.state, window.earliest, window.latest],
        "missed": plan.missed,
        "passed": [[slot.window.earliest, slot.window.latest] for slot in plan.passed],
        "completed": len(completed),
        "done": [[w.earliest, w.latest] for w in completed],
        "outside": len(plan.outside),
        "misplaced": len(plan.misplaced),
        "arguments": len(plan.arguments),
        "questions": [question.code for question in plan.questions],
        "work": sorted(t.kind for t in open_work(record, plan, findings, knowledge, on)),
        "ordered": sum(r["resourceType"] == "ServiceRequest" and r["status"] == "draft" for r in made),
        "postoperative": [
            [p.state, p.window.earliest, p.window.target, p.window.latest] for p in plan.postoperative
        ],
        "asks": [code for code in ASKED if code in str([r for r in made if r.get("status") == "draft"])],
        "says": expected.get("says", "") if expected.get("says", "") in words else words,
    }
    return _unlike(seen, {k: sorted(v) if k == "work" else v for k, v in expected.items()})


def workup_differs(row: Mapping[str, Any], knowledge: Knowledge) -> list[str]:
    """Where the work-up differs from what the row expects."""
    told, expected = _changing(row), row["expect"]
    record, on = record_of(told), told["day"]
    found = workups(record, decision.decide(record, knowledge, on), knowledge, on)
    task = _task(concluded(told, knowledge), "work-up")
    if expected["state"] in ("none", "closed"):
        states = [w.state for w in found] if expected["state"] == "closed" else []
        return [] if task is None and states in ([], ["closed"]) else [f"{states}, task {task}"]
    if task is None or len(found) != 1:
        return [f"no task, {found}"]
    left = [step.name for step in steps(found[0], record, knowledge, on)]
    words = " ".join([task["description"], *(note["text"] for note in task["note"])])
    period = task.get("restriction", {}).get("period", {})
    seen: dict[str, Any] = {
        "state": found[0].state,
        "next": left[0],
        "then": [name for name in expected.get("then", ()) if name in left[1:]],
        "never": [name for name in expected.get("never", ()) if name not in left],
        "counted": sorted({r.test for r in found[0].results if r.counts}),
        "not_counted": sorted({r.test for r in found[0].results if not r.counts}),
        "window": [dt.date.fromisoformat(period[end]) for end in ("start", "end") if end in period],
        "urgent": task["priority"] == "urgent",
        "says": expected.get("says", "") if expected.get("says", "") in words else words,
    }
    codes = {coding["code"] for coding in task["businessStatus"]["coding"]}
    shown = [] if {found[0].state, left[0]} <= codes else [f"the task shows {codes}"]
    lists = ("counted", "not_counted")
    return shown + _unlike(seen, {k: sorted(v) if k in lists else v for k, v in expected.items()})


def treatment_differs(row: Mapping[str, Any], knowledge: Knowledge) -> list[str]:
    """Where the treatments differ from what the row expects."""
    told = _changing(row, new_or_growing_enhancement=True, are_symptomatic=True, are_status="suspected")
    record, on, expected = record_of(told), told["day"], dict(row["expect"])
    findings = decision.decide(record, knowledge, on)
    by_name = {
        one.name: one
        for workup in workups(record, findings, knowledge, on)
        for one in treatments(workup, record, findings, knowledge, on)
    }
    task = _task(concluded(told, knowledge), "treatment")
    differs = [] if (task is not None) is expected.pop("task", True) else [f"task {task}"]
    for name, words in expected.pop("against", {}).items():
        if not any(words in text for text in by_name[name].against):
            differs.append(f"against {name}: {by_name[name].against}, told {words}")
    for name in expected.pop("nothing_against", ()):
        differs += [f"against {name}: {text}" for text in by_name[name].against]
    return differs + _unlike({name: by_name[name].stands for name in expected}, expected)


def risk_differs(row: Mapping[str, Any], knowledge: Knowledge) -> list[str]:
    """Where the risk of the lesion differs from what the row expects."""
    told = {"courses": [{"end": SRS}], "day": dt.date(2026, 3, 1), **row}
    usual = {"planned_by": REFS["plan"], "target_lesions": [REFS["lesion"]]}
    told["courses"] = [{**usual, **course} for course in told["courses"]]
    record, on, expected = record_of(told), told["day"], row["expect"]
    findings = decision.decide(record, knowledge, on)
    (profile,) = profiles(record, findings, knowledge, on)
    rates: dict[str, list[Any]] = {}
    for e in profile.estimates:
        if e.low_pct is not None:
            rates.setdefault(e.code, []).append([e.low_pct, e.high_pct, *([e.months] if e.months else [])])
    by_code = {e.code: e for e in profile.estimates}
    made = next(r for r in concluded(told, knowledge) if r["resourceType"] == "RiskAssessment")
    text = " ".join(p.get("rationale", "") for p in made["prediction"])
    missing = {f.code: f.missing for f in profile.unknown}
    signed_off = expected.get("signed_off", {})
    seen: dict[str, Any] = {
        "present": sorted(f.code for f in profile.present),
        "against": sorted(f.code for f in profile.against),
        "absent": sorted(set(expected.get("absent", ())) & {f.code for f in profile.absent}),
        "unknown": {c: n for c, n in expected.get("unknown", {}).items() if n in missing.get(c, ())},
        "predictions": {code: found[0] if len(found) == 1 else found for code, found in rates.items()},
        "ratios": {c: [e.ratio, *(e.interval or ())] for c, e in by_code.items() if e.ratio is not None},
        "without": {c: by_code[c].without_pct for c in expected.get("without", {}) if c in by_code},
        "onset": [profile.onset.first, profile.onset.last],
        "onset_says": [w for w in expected.get("onset_says", ()) if w in text],
        "sooner": list(decision.plan_of(record, findings, knowledge, on).shortened_by),
        "signed_off": {c: not e.finding.awaits_sign_off for c, e in by_code.items() if c in signed_off},
    }
    shown = [f"{code} is not shown" for code in rates if f"({code}:" not in text]
    lists = ("present", "against", "absent")
    return shown + _unlike(seen, {k: sorted(v) if k in lists else v for k, v in expected.items()})
