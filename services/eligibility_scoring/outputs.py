"""The decision as FHIR R4: GuidanceResponse with what is missing, RequestGroup of options, group prognosis.

https://hl7.org/fhir/R4/guidanceresponse.html · https://hl7.org/fhir/R4/riskassessment.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from eligibility_scoring import group_survival
from eligibility_scoring.dosing.outputs import Doses, with_doses
from eligibility_scoring.group_survival import GroupSurvival
from eligibility_scoring.options import Appraisal
from eligibility_scoring.request_group import Words, actions, question_in_words
from eligibility_scoring.standing import UNKNOWN
from eligibility_scoring.trials.proposals import proposals, studies_of, with_trials
from isodose.clinical import facts
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.resources import result_id

Resource = dict[str, Any]

NOTHING_WAITS = (
    "Every lesion described has had radiosurgery and none is known to have changed: no treatment is open."
)
SCORES = "Scores rest on weights that the platform proposes and that await clinical sign-off."
_UCUM = "http://unitsofmeasure.org"


def conclude(
    record: PatientRecord, findings: list[Finding], knowledge: Knowledge, on: dt.date, base: str
) -> tuple[list[Option], list[Resource]]:
    """The options, and the resources that say them; no resources after death."""
    appraisal = Appraisal(findings, knowledge, record)
    if record.deceased:
        return appraisal.options, []
    asked = [question_in_words(question) for question in appraisal.questions]
    proposed = proposals(record, appraisal.options, on, nothing_waits=appraisal.nothing_waits)
    doses = Doses(record, appraisal.options, knowledge, on)
    words = Words(appraisal.by_code, appraisal.names)
    listed = [
        with_doses(with_trials(action, proposed, base), doses)
        for action in actions(appraisal.options, words, knowledge, base)
    ]
    made = [
        _guidance(record, appraisal, asked, on, base),
        _request_group(record, listed, asked, on, base) | _nothing_waits(appraisal, base),
        *studies_of(proposed, base),
    ]
    group = group_survival.of(record, appraisal.by_code, knowledge, on)
    if group is not None:
        made.append(_prognosis(record, group, on, base))
    return appraisal.options, made


def _guidance(
    record: PatientRecord, appraisal: Appraisal, asked: Sequence[str], on: dt.date, base: str
) -> Resource:
    lead = appraisal.leading
    undecided = lead is None and not appraisal.nothing_waits
    undecided = undecided and any(option.standing == UNKNOWN for option in appraisal.options)
    resource: Resource = {
        "resourceType": "GuidanceResponse",
        "identifier": [_identifier(record, "guidance", base)],
        "moduleUri": f"{base}/PlanDefinition/srs-pathway",
        "status": "data-required" if undecided else "success",
        "subject": {"reference": f"Patient/{record.patient_id}"},
        "occurrenceDateTime": on.isoformat(),
        "note": [{"text": text} for text in (_said(appraisal), *asked)],
        "result": {"reference": f"RequestGroup/{result_id(_key(record, 'options'))}"},
    }
    if appraisal.missing:
        resource["dataRequirement"] = [_data_requirement(fact.name, base) for fact in appraisal.missing]
    return resource


def _said(appraisal: Appraisal) -> str:
    lead = appraisal.leading
    if lead is not None:
        said = f"Leading option: {lead.title} ({lead.standing})."
    elif appraisal.nothing_waits:
        said = NOTHING_WAITS
    else:
        said = "No option leads yet."
    if appraisal.missing:
        said += f" Enter first: {facts.definition(appraisal.missing[0].name).definition}."
    return f"{said} {SCORES} The platform proposes; a clinician decides."


def _data_requirement(name: str, base: str) -> Resource:
    display = facts.definition(name).definition
    coding = {"system": f"{base}/CodeSystem/fact", "code": name, "display": display}
    return {"type": "Observation", "codeFilter": [{"path": "code", "code": [coding]}]}


def _request_group(
    record: PatientRecord, made: list[Resource], asked: Sequence[str], on: dt.date, base: str
) -> Resource:
    resource: Resource = {
        "resourceType": "RequestGroup",
        "identifier": [_identifier(record, "options", base)],
        "instantiatesCanonical": [f"{base}/PlanDefinition/srs-pathway"],
        "status": "active",
        "intent": "proposal",
        "code": {"text": "Treatment options for brain metastases"},
        "subject": {"reference": f"Patient/{record.patient_id}"},
        "authoredOn": on.isoformat(),
        "action": made,
    }
    if asked:
        resource["note"] = [{"text": text} for text in asked]
    return resource


def _nothing_waits(appraisal: Appraisal, base: str) -> Resource:
    """The mark by which pages tell "no treatment waits" from "facts are missing"."""
    if appraisal.leading is not None or not appraisal.nothing_waits:
        return {}
    mark = {"url": f"{base}/StructureDefinition/no-treatment-waits", "valueBoolean": True}
    return {"extension": [mark]}


def _prognosis(record: PatientRecord, group: GroupSurvival, on: dt.date, base: str) -> Resource:
    """The median of a group of patients, in months, with its source; no forecast for one person."""
    finding = group.finding
    basis = dict.fromkeys(fact.source for fact in finding.facts if fact.source)
    months = {"value": group.median_months, "unit": "months", "system": _UCUM, "code": "mo"}
    cited = "; ".join(
        f"{s.cite}{': ' + s.figure if s.figure else ''}"
        f"{' (source awaits clinical sign-off)' if s.seen == 'memory' else ''}"
        for s in finding.sources
    )
    notes = (
        "Half of the group lived longer, half shorter. A group median at first diagnosis of brain "
        "metastases; no forecast for this person, and no reason to stop treatment.",
        f"Sources: {cited}",
        finding.conflicts,
    )
    made: Resource = {
        "resourceType": "RiskAssessment",
        "identifier": [_identifier(record, "prognosis", base)],
        "status": "final",
        "method": {
            "coding": [{"system": f"{base}/CodeSystem/catalogue", "code": group.index}],
            "text": "Diagnosis-specific Graded Prognostic Assessment, 0 (worst) to 4 (best)",
        },
        "subject": {"reference": f"Patient/{record.patient_id}"},
        "occurrenceDateTime": on.isoformat(),
        "prediction": [
            {
                "outcome": {"text": f"Median survival of patients with an index {_band(group)}"},
                "whenRange": {"low": months, "high": months},
                "rationale": f"Index {group.score:g}: {finding.summary}",
            }
        ],
        "note": [{"text": text} for text in notes if text],
    }
    if basis:
        made["basis"] = [{"reference": source} for source in basis]
    return made


def _band(group: GroupSurvival) -> str:
    return f"of {group.band_from:g} to {group.band_to:g}"


def _key(record: PatientRecord, what: str) -> str:
    return f"eligibility_scoring/{record.patient_id}/{what}"


def _identifier(record: PatientRecord, what: str, base: str) -> Resource:
    return {"system": f"{base}/NamingSystem/result", "value": _key(record, what)}
