"""Clinical scenarios: what each entry says, which alerts are raised; order and company do not matter."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from fhir.resources.R4B.detectedissue import DetectedIssue
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ici_steroid_alerts import alerts, decision, knowledge, outputs
from isodose.clinical import facts
from isodose.clinical.finding import encode
from isodose.clinical.record import Course, Exposure, Fact, Operation, PatientRecord, Subject
from isodose.clinical.terminology import value_set
from isodose.fhir.validation import validate

TODAY = dt.date(2026, 11, 23)
KNOWLEDGE = knowledge.load()
SCENARIOS = yaml.safe_load(
    (Path(__file__).parents[1] / "scenarios" / "alerts" / "scenarios.yaml").read_text(encoding="utf-8")
)
DRUG_SETS = (
    "immune_checkpoint_inhibitors corticosteroids antibody_drug_conjugates braf_mek_inhibitors bevacizumab "
    "tyrosine_kinase_inhibitors supportive_drugs other_anticancer_drugs"
)
ROLE = {c.id: c.role for name in DRUG_SETS.split() for c in value_set(name).concepts.values()}
BASE = "https://isodose.example/fhir"


def day(offset: int | None) -> dt.date | None:
    return None if offset is None else TODAY + dt.timedelta(days=offset)


def exposure(index: int, row: dict[str, Any]) -> Exposure:
    given_on = tuple(TODAY + dt.timedelta(days=d) for d in row.get("given", ()))
    administered = bool(given_on) and "from" not in row
    kind = row.get("kind", "MedicationAdministration" if administered else "MedicationRequest")
    role = ROLE[row["drug"]]
    return Exposure(
        ref=f"{kind}/m{index}",
        concept=row["drug"],
        drug_class=role,
        status=row.get("status", "completed" if administered else "active"),
        start=day(row.get("from")),
        end=day(row.get("to")),
        given_on=given_on,
        daily_dose_mg=row.get("mg"),
        route=row.get("route", "systemic"),
        as_needed=row.get("as_needed", False),
        indication=row.get("why", ""),
        text=row.get("words", ""),
    )


def course(index: int, row: dict[str, Any]) -> Course:
    planned = row.get("status", "completed") == "planned"
    return Course(
        ref=f"{'ServiceRequest' if planned else 'Procedure'}/c{index}",
        kind=row["kind"],
        certainty="sure",
        status=row.get("status", "completed"),
        start=day(row["day"]),
        end=None if planned else day(row["day"]),
        fractions_planned=row.get("fractions", 1),
    )


def record_of(row: dict[str, Any]) -> PatientRecord:
    courses = tuple(course(i, c) for i, c in enumerate(row.get("srs", ())))
    operations = ()
    if "operation" in row:
        moment = TODAY + dt.timedelta(days=row["operation"])
        operations = (Operation(ref="Procedure/op", kind="resection", status="planned", on=moment),)
    own, about_course = [], []
    for name, value in row.get("facts", {}).items():
        on_course = facts.definition(name).scope == "course"
        (about_course if on_course else own).append(Fact(name=name, value=value, source="Observation/o"))
    about = courses[0].ref if courses else "Procedure/op" if operations else "Procedure/x"
    subjects = (Subject(ref=about, scope="course", facts=tuple(about_course), links=(about,)),)
    return PatientRecord(
        patient_id="p",
        facts=tuple(own),
        subjects=subjects if about_course else (),
        courses=courses,
        operations=operations,
        exposures=tuple(exposure(i, d) for i, d in enumerate(row.get("drugs", ()))),
    )


def named(row: dict[str, Any]) -> str:
    return str(row["name"])


@pytest.mark.parametrize("row", SCENARIOS, ids=named)
def test_a_scenario_is_judged_as_written(row: dict[str, Any]) -> None:
    findings = decision.decide(record_of(row), KNOWLEDGE, TODAY)
    for code, expected in row.get("expect", {}).items():
        found = [f for f in findings if f.code == code]
        if expected in ("met", "not-met", "unknown"):
            assert {f.verdict for f in found} == {expected}, code
        else:
            assert [f.value for f in found] == [
                pytest.approx(expected, abs=0.001) if isinstance(expected, float) else expected
            ]
    for code, words in row.get("says", {}).items():
        assert words in next(f.summary for f in findings if f.code == code)


@pytest.mark.parametrize("row", [r for r in SCENARIOS if "alerts" in r or "quiet" in r], ids=named)
def test_a_scenario_raises_these_alerts_and_no_others(row: dict[str, Any]) -> None:
    record = record_of(row)
    findings = decision.decide(record, KNOWLEDGE, TODAY)
    raised = alerts.alerts(record, findings, KNOWLEDGE, TODAY)
    assert {a.code: a.severity for a in raised} == row.get("alerts", {})
    issues = outputs.resources(record, findings, KNOWLEDGE, TODAY, BASE)
    for issue in issues:
        validate(issue)
        DetectedIssue.model_validate(issue)
    assert len({issue["id"] for issue in issues}) == len(issues)


@pytest.mark.parametrize("row", SCENARIOS[::4], ids=named)
def test_the_order_in_which_things_were_read_does_not_matter(row: dict[str, Any]) -> None:
    record = record_of(row)
    expected = encode(decision.decide(record, KNOWLEDGE, TODAY))

    @settings(max_examples=10, deadline=None, derandomize=True)
    @given(st.permutations(record.exposures), st.permutations(record.facts))
    def same(exposures: list[Exposure], stated: list[Fact]) -> None:
        other = replace(record, exposures=tuple(exposures), facts=tuple(stated))
        assert encode(decision.decide(other, KNOWLEDGE, TODAY)) == expected

    same()


@pytest.mark.parametrize("row", SCENARIOS[::3], ids=named)
def test_an_unrelated_drug_changes_nothing(row: dict[str, Any]) -> None:
    record = record_of(row)
    unrelated = Exposure(
        ref="MedicationRequest/levetiracetam",
        concept="levetiracetam",
        drug_class="antiseizure",
        status="active",
        start=TODAY,
        daily_dose_mg=1000,
    )
    more = replace(record, exposures=(*record.exposures, unrelated))
    before, after = (decision.decide(r, KNOWLEDGE, TODAY) for r in (record, more))
    assert encode(before) == encode(after)
    issues = (outputs.resources(r, f, KNOWLEDGE, TODAY, BASE) for r, f in ((record, before), (more, after)))
    assert next(issues) == next(issues)


def test_many_orders_of_one_pair_are_one_alert_with_one_key() -> None:
    drugs = [
        {"drug": "nivolumab", "from": -40},
        *({"drug": "prednisone", "from": -3, "mg": 5} for _ in range(4)),
    ]
    few, many = record_of({"drugs": drugs[:3]}), record_of({"drugs": drugs})
    (one,) = outputs.resources(few, decision.decide(few, KNOWLEDGE, TODAY), KNOWLEDGE, TODAY, BASE)
    (other,) = outputs.resources(many, decision.decide(many, KNOWLEDGE, TODAY), KNOWLEDGE, TODAY, BASE)
    assert one["id"] == other["id"]
    assert len(other["implicated"]) == 5


def test_days_that_pass_leave_an_alert_as_it_is() -> None:
    row = {"drugs": [{"drug": "nivolumab", "from": -40}, {"drug": "prednisone", "from": -3, "mg": 5}]}
    record = record_of(row)
    days = (TODAY, TODAY + dt.timedelta(days=2))
    first, later = (
        outputs.resources(record, decision.decide(record, KNOWLEDGE, on), KNOWLEDGE, on, BASE) for on in days
    )
    assert first == later


def test_an_undecided_alert_is_preliminary_and_a_decided_one_final() -> None:
    told = record_of(SCENARIOS[0])
    untold = record_of({"drugs": [{"drug": "nivolumab", "from": -40}, {"drug": "dexamethasone", "from": -3}]})
    statuses = [
        outputs.resources(r, decision.decide(r, KNOWLEDGE, TODAY), KNOWLEDGE, TODAY, BASE)[0]["status"]
        for r in (told, untold)
    ]
    assert statuses == ["final", "preliminary"]


def test_nothing_is_raised_for_a_patient_who_has_died() -> None:
    record = replace(record_of(SCENARIOS[0]), deceased=True)
    findings = decision.decide(record, KNOWLEDGE, TODAY)
    assert outputs.resources(record, findings, KNOWLEDGE, TODAY, BASE) == []
