"""`GET $trials?patient=ID`: every trial of the review judged for a stored patient, with the reasons.

`on` is the day, today if left out; `match` names the standings that are wanted, separated by commas.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from eligibility_scoring.trials import wording
from eligibility_scoring.trials.matching import STANDINGS, Match, matcher
from eligibility_scoring.trials.studies import study_id
from isodose.assessment import Decider, stored_record
from isodose.clinical import derive
from isodose.clinical.record import PatientRecord
from isodose.clinical.timeline import LAST_DAY, decision_day
from isodose.fhir.errors import bad_request, not_found
from isodose.fhir.rest import Call, Operation
from isodose.work import Work

Json = dict[str, Any]


def trials_operation(decider: Decider) -> Operation:
    def handle(work: Work, call: Call) -> Json:
        patient_id = call.query.get("patient", "").removeprefix("Patient/")
        if not patient_id:
            raise bad_request("Say for whom: $trials?patient=ID.", "patient", code="required")
        on, wanted = _day(call.query, decider), _wanted(call.query)
        record = stored_record(work, call, patient_id)
        if record is None:
            raise not_found("No record of this patient is stored here.", "patient")
        return answer(record, on, wanted, decider.knowledge.version)

    return Operation(name="$trials", level="system", handle=handle, judges=True)


def answer(record: PatientRecord, on: dt.date, wanted: set[str], knowledge_version: str) -> Json:
    """The trials of the wanted standings as Parameters, the most relevant first, and how many there are."""
    known = derive.as_of(record, on)
    found = matcher().matches(known, on)
    parameters: list[Json] = [
        {"name": standing, "valueInteger": sum(match.standing == standing for match in found)}
        for standing in STANDINGS
    ]
    parameters += [
        {"name": "registry-check", "valueString": wording.registry_check(known, on)},
        {"name": "note", "valueString": wording.NOT_PRINTED},
    ]
    parameters += [
        {"name": "trial", "part": list(_parts(match))} for match in found if match.standing in wanted
    ]
    parameters += [
        {"name": "knowledge-version", "valueString": knowledge_version},
        {"name": "record-version", "valueInteger": record.version},
        {"name": "on", "valueDate": on.isoformat()},
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _parts(match: Match) -> Iterator[Json]:
    yield {"name": "id", "valueString": match.trial_id}
    yield {"name": "name", "valueString": match.trial.name}
    yield {"name": "match", "valueCode": match.standing}
    yield {"name": "reason", "valueString": wording.why(match)}
    yield from ({"name": "missing", "valueCode": name} for name in match.missing)
    yield from ({"name": "lesion", "valueString": ref} for ref in match.lesions)
    yield {"name": "status", "valueString": wording.status_of(match.trial)}
    yield {"name": "study", "valueReference": {"reference": f"ResearchStudy/{study_id(match.trial_id)}"}}


def _day(query: Mapping[str, str], decider: Decider) -> dt.date:
    if "on" not in query:
        return decider.today()
    try:
        return decision_day(query["on"])
    except ValueError:
        raise bad_request(
            f"on is a whole day, such as 2026-03-31, and not after {LAST_DAY}.", "on", code="value"
        ) from None


def _wanted(query: Mapping[str, str]) -> set[str]:
    if "match" not in query:
        return set(STANDINGS)
    wanted = set(query["match"].split(","))
    if wanted - set(STANDINGS):
        raise bad_request(f"match is one or more of {', '.join(STANDINGS)}.", "match", code="value")
    return wanted
