"""`$populate` and `$extract` of SDC on the intake form.

https://hl7.org/fhir/uv/sdc/STU3/OperationDefinition-Questionnaire-populate.html
https://hl7.org/fhir/uv/sdc/STU3/OperationDefinition-QuestionnaireResponse-extract.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from ehr_ingestion.intake.answers import base_of
from ehr_ingestion.intake.checking import faults
from ehr_ingestion.intake.extraction import extracted
from ehr_ingestion.intake.form import ID, questionnaire
from ehr_ingestion.intake.population import populated
from isodose.fhir.errors import FhirError, bad_request, not_found, unprocessable
from isodose.fhir.operations import Call, Operation, parameters_of
from isodose.fhir.resources import instant
from isodose.fhir.validation import validate
from isodose.mcode.chart import target_of
from isodose.work import Work

Json = dict[str, Any]
_SDC = "http://hl7.org/fhir/uv/sdc/OperationDefinition"
_UNSAVED = "unsaved"


def operations(base: str, today: Callable[[], dt.date]) -> Sequence[Operation]:
    def populate(work: Work, call: Call) -> Json:
        if call.id != ID:
            raise not_found("Only the intake form is filled from the record.", code="not-supported")
        patient_id = _subject(call)
        call.look_at(patient_id)
        record = work.records.get(patient_id)
        if record is None:
            raise not_found("There is no such patient.", "Parameters.parameter")
        return _parameters({"name": "response", "resource": populated(record, today(), base)})

    return (
        Operation(
            name="$populate",
            level="instance",
            types=("Questionnaire",),
            handle=populate,
            judges=True,
            definition=f"{_SDC}/Questionnaire-populate",
        ),
        *(
            Operation(
                name="$extract",
                level=level,
                types=("QuestionnaireResponse",),
                handle=_extract,
                judges=True,
                definition=f"{_SDC}/QuestionnaireResponse-extract",
            )
            for level in ("type", "instance")
        ),
    )


def _extract(work: Work, call: Call) -> Json:
    """A transaction Bundle with what the response states by itself. Nothing is stored: a stored response is
    extracted as it is stored.
    """
    response = _response(work, call)
    base, patient = base_of(response), target_of(response.get("subject"))
    if base is None or not patient.startswith("Patient/"):
        said = "This is no answer about a Patient to the intake form."
        raise unprocessable(said, "QuestionnaireResponse.questionnaire", code="not-supported")
    call.look_at(patient.partition("/")[2])
    issues = list(faults(response, questionnaire(base)))
    if issues:
        raise FhirError(422, issues)
    now = instant(dt.datetime.now(dt.UTC))
    complete = {
        "id": _UNSAVED,
        "authored": now,
        "meta": {"lastUpdated": now},
        "status": "completed",
    } | response
    stated = extracted([complete])
    entries = [
        {
            "fullUrl": f"{work.resources.base}/{kind}/{identity}",
            "resource": one,
            "request": {"method": "PUT", "url": f"{kind}/{identity}"},
        }
        for (kind, identity), one in stated.items()
    ]
    return {"resourceType": "Bundle", "type": "transaction", **({"entry": entries} if entries else {})}


def _response(work: Work, call: Call) -> Json:
    if call.id is not None:
        return work.resources.read("QuestionnaireResponse", call.id).resource()
    given: Any = call.body.data if call.body else {}
    if call.body is not None and call.body.type == "Parameters":
        held = [p.get("resource") for p in parameters_of(call.body) if p["name"] == "questionnaire-response"]
        given = held[0] if held else {}
    if not isinstance(given, dict) or given.get("resourceType") != "QuestionnaireResponse":
        raise bad_request("Send a QuestionnaireResponse.", "Resource.resourceType", code="required")
    validate(given)
    return dict(given)


def _subject(call: Call) -> str:
    """The id of the patient in the query or in Parameters: `subject`, a reference to a Patient."""
    told = call.query.get("subject", "")
    if call.body is not None and call.body.type == "Parameters":
        validate(call.body.data)
        named = {p["name"]: p for p in call.body.data.get("parameter", [])}
        told = target_of(named.get("subject", {}).get("valueReference")) or told
    kind, _, identity = told.rpartition("/")
    if kind.rpartition("/")[2] not in ("", "Patient") or not identity:
        raise bad_request("subject is a reference to a Patient.", "Parameters.parameter", code="required")
    return identity


def _parameters(*given: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(given)}
