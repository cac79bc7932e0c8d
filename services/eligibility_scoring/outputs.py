"""Options as FHIR R4: a GuidanceResponse that names what is missing, and a RequestGroup with an action each.

https://hl7.org/fhir/R4/guidanceresponse.html · https://hl7.org/fhir/R4/requestgroup.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from eligibility_scoring.options import leading, options
from isodose.clinical import facts
from isodose.clinical.finding import Citation, Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.resources import result_id

Resource = dict[str, Any]

DATA_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def resources(
    record: PatientRecord, findings: list[Finding], knowledge: Knowledge, on: dt.date, base: str
) -> list[Resource]:
    """The RequestGroup of all options, and the GuidanceResponse that refers to it."""
    judged = options(findings, knowledge, record)
    group = _request_group(record, judged, findings, on, base)
    return [_guidance_response(record, judged, group, knowledge, on, base), group]


def next_change(record: PatientRecord, findings: list[Finding], on: dt.date) -> dt.date | None:
    """The next day on which a fact begins to count or grows stale; tomorrow where courses or drugs make time
    itself a fact; None while no day changes anything.
    """
    if record.courses or record.exposures or record.operations:
        return on + dt.timedelta(days=1)
    given = [*record.facts, *(fact for subject in record.subjects for fact in subject.facts)]
    days = [fact.on for fact in given if fact.on is not None]
    for fact in (fact for finding in findings for fact in finding.facts):
        good_for = facts.definition(fact.name).good_for_days
        if good_for is not None and fact.on is not None:
            days.append(fact.on + dt.timedelta(days=good_for + 1))
    return min((day for day in days if day > on), default=None)


def missing(judged: Sequence[Option], findings: Sequence[Finding]) -> list[str]:
    """Facts that would decide an option, then those that would decide the pathway; each once, in order."""
    wanted = [name for option in judged for name in option.missing]
    pathway = [name for f in findings if f.code.startswith("F1-") for name in f.missing]
    return list(dict.fromkeys([*wanted, *pathway]))


def _guidance_response(  # noqa: PLR0917
    record: PatientRecord,
    judged: Sequence[Option],
    group: Resource,
    knowledge: Knowledge,
    on: dt.date,
    base: str,
) -> Resource:
    wanted = [name for option in judged for name in option.missing]
    wanted = list(dict.fromkeys(wanted))
    key = _key(record, "guidance")
    response: Resource = {
        "resourceType": "GuidanceResponse",
        "id": result_id(key),
        "identifier": [_identifier(key, base)],
        "moduleCanonical": f"{base}/PlanDefinition/eligibility-scoring|{knowledge.version}",
        "status": "data-required" if wanted else "success",
        "subject": _patient(record),
        "occurrenceDateTime": on.isoformat(),
        "result": {"reference": f"RequestGroup/{group['id']}"},
    }
    if wanted:
        response["dataRequirement"] = [_data_requirement(name, base) for name in wanted]
    return response


def _data_requirement(name: str, base: str) -> Resource:
    """An Observation that states the fact would answer."""
    coding = {"system": f"{base}/CodeSystem/fact", "code": name, "display": facts.definition(name).definition}
    return {"type": "Observation", "codeFilter": [{"path": "code", "code": [coding]}]}


def _request_group(
    record: PatientRecord, judged: Sequence[Option], findings: Sequence[Finding], on: dt.date, base: str
) -> Resource:
    key = _key(record, "options")
    first = leading(judged)
    ordered = sorted(judged, key=lambda option: option is not first)
    return {
        "resourceType": "RequestGroup",
        "id": result_id(key),
        "identifier": [_identifier(key, base)],
        "status": "active",
        "intent": "proposal",
        "subject": _patient(record),
        "authoredOn": on.isoformat(),
        "code": {"text": "Treatment options for the tumour board"},
        "note": [{"text": "Proposed for the tumour board; the team decides."}],
        "action": [_action(option, option is first, findings, base) for option in ordered],
    }


def _action(option: Option, leads: bool, findings: Sequence[Finding], base: str) -> Resource:
    codes = {*option.for_, *option.against}
    action: Resource = {
        "id": option.code,
        "title": option.title,
        "textEquivalent": text_of(option, leads),
        "code": [
            {"coding": [{"system": f"{base}/CodeSystem/option", "code": option.code}], "text": option.title},
            {"coding": [{"system": f"{base}/CodeSystem/standing", "code": option.standing}]},
        ],
    }
    if sources := _documentation(f for f in findings if f.code in codes):
        action["documentation"] = sources
    return action


def text_of(option: Option, leads: bool) -> str:
    """The option in one or two sentences, for people."""
    words = [f"{'Leading option. ' if leads else ''}Standing: {option.standing.replace('-', ' ')}."]
    if option.applies_to:
        words.append(f"For {', '.join(option.applies_to)}.")
    if option.for_:
        words.append(f"Speaks for it: {', '.join(option.for_)}.")
    if option.against:
        words.append(f"Speaks against it: {', '.join(option.against)}.")
    if option.what_would_change:
        words.append(f"What would change it: {option.what_would_change}")
    return " ".join(words)


def _documentation(findings: Iterable[Finding]) -> list[Resource]:
    cited: dict[str, Citation] = {}
    for finding in findings:
        for source in finding.sources:
            cited.setdefault(f"{source.cite} {source.figure}", source)
    return [_artifact(source) for source in cited.values()]


def _artifact(source: Citation) -> Resource:
    numbers = f" (reference {', '.join(map(str, source.ref))} of the review)" if source.ref else ""
    doubt = " (source awaits clinical sign-off)" if source.seen == "memory" else ""
    figure = f": {source.figure}" if source.figure else ""
    artifact: Resource = {"type": "citation", "citation": f"{source.cite}{numbers}{figure}{doubt}"}
    if source.doi:
        artifact["url"] = f"https://doi.org/{source.doi}"
    return artifact


def _key(record: PatientRecord, what: str) -> str:
    return f"eligibility_scoring/{record.patient_id}/{what}"


def _identifier(key: str, base: str) -> Resource:
    return {"system": f"{base}/NamingSystem/result", "value": key}


def _patient(record: PatientRecord) -> Resource:
    return {"reference": f"Patient/{record.patient_id}"}
