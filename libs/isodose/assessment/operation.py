"""`$assess`: a decision asked for, with nothing stored. In and out are FHIR Parameters.

https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, get_args

from isodose.assessment.answer import Show, answer
from isodose.assessment.bundles import record_in
from isodose.assessment.decider import Decider, Decision, decide
from isodose.assessment.standing import of_the_patient, standing
from isodose.clinical.record import PatientRecord
from isodose.clinical.timeline import LAST_DAY, decision_day
from isodose.fhir.errors import bad_request, not_found, unprocessable
from isodose.fhir.references import target
from isodose.fhir.rest import Call, Operation
from isodose.fhir.validation import validate
from isodose.telemetry import observing
from isodose.work import Work

Json = dict[str, Any]
Stored = Callable[[str], PatientRecord | None]
Standing = Callable[[PatientRecord, dt.date], Decision | None]
_KNOWN = ("record", "subject", "on", "explain", "show")
_PARAMETERS = (
    ("record", "in", 0, "1", "Bundle"),
    ("subject", "in", 0, "1", "Reference"),
    ("on", "in", 0, "1", "date"),
    ("explain", "in", 0, "1", "boolean"),
    ("show", "in", 0, "1", "code"),
    ("finding", "out", 0, "*", "BackboneElement"),
    ("option", "out", 0, "*", "BackboneElement"),
    ("evidence", "out", 0, "*", "BackboneElement"),
    ("resource", "out", 0, "*", "Any"),
    ("knowledge-version", "out", 1, "1", "string"),
    ("record-version", "out", 1, "1", "integer"),
    ("on", "out", 1, "1", "date"),
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """`is_stored`: the record is the one that is stored here."""

    record: PatientRecord
    on: dt.date
    explain: bool
    show: Show
    is_stored: bool


def assess_operation(decider: Decider) -> Operation:
    """`POST [base]/$assess` of the service that decides by `decider`."""

    def handle(work: Work, call: Call) -> Json:
        if call.body is None:
            raise bad_request("Send a Parameters resource.", "Parameters", code="required")
        return assess(
            decider,
            call.body.data,
            lambda id: stored_record(work, call, id),
            lambda record, on: standing(work, decider, record, on),
        )

    return Operation(
        name="$assess",
        level="system",
        handle=handle,
        judges=True,
        summary="Decide without storing",
        parameters=_PARAMETERS,
    )


def stored_record(work: Work, call: Call, id: str) -> PatientRecord | None:
    """The record of a patient whom the caller may read, noted for the audit; raises 403 for any other."""
    call.look_at(id)
    return work.records.get(id)


def _none_stands(_record: PatientRecord, _on: dt.date) -> Decision | None:
    return None


def assess(decider: Decider, parameters: Json, stored: Stored, stands: Standing = _none_stands) -> Json:
    """The answer of `decider` to the `parameters`, as Parameters.

    `stored` gives the record of a patient by id, `stands` what was concluded of it and still holds on a
    day. Raises `FhirError` naming the parameter that is at fault.
    """
    asked = _asked(decider, parameters, stored)
    if asked.show == "resources" and asked.is_stored:
        concluded = stands(asked.record, asked.on)
        if concluded is not None:
            return answer(decider, concluded, show=asked.show)
    with observing().deciding() as verdicts:
        decision = decide(decider, asked.record, asked.on)
        verdicts += [finding.verdict for finding in decision.findings]
    if asked.show == "resources":
        decision = of_the_patient(decision)
    return answer(decider, decision, asked.explain, asked.show)


def _asked(decider: Decider, parameters: Json, stored: Stored) -> _Asked:
    given = _by_name(parameters)
    validate(parameters)
    on = _day(*given["on"]) if "on" in given else decider.today()
    explain = _flag(*given["explain"]) if "explain" in given else False
    show = _show(*given["show"]) if "show" in given else "all"
    subject = _patient(*given["subject"]) if "subject" in given else None
    if "record" in given:
        value, path = given["record"]
        bundle = value.get("resource", {})
        if bundle.get("resourceType") != "Bundle":
            raise bad_request("The parameter record holds one Bundle of R4 resources.", f"{path}.resource")
        return _Asked(record_in(bundle, f"{path}.resource", subject), on, explain, show, is_stored=False)
    if subject is None:
        raise bad_request(
            "Say what to assess: record (a Bundle) or subject (a Reference to a stored patient).",
            "Parameters.parameter",
            code="required",
        )
    record = stored(subject)
    if record is None:
        raise not_found("No record of this patient is stored here.", f"{given['subject'][1]}.valueReference")
    if record.replaced_by:
        said = f"This patient was merged into Patient/{record.replaced_by}; ask for that one."
        raise unprocessable(said, f"{given['subject'][1]}.valueReference")
    return _Asked(record, on, explain, show, is_stored=True)


def _flag(value: Json, path: str) -> bool:
    if not isinstance(value.get("valueBoolean"), bool):
        raise bad_request("The parameter explain is a valueBoolean.", f"{path}.valueBoolean", code="value")
    return bool(value["valueBoolean"])


def _show(value: Json, path: str) -> Show:
    for known in get_args(Show):
        if value.get("valueCode") == known:
            return cast("Show", known)
    wanted = f"The parameter show is a valueCode: {', '.join(get_args(Show))}."
    raise bad_request(wanted, f"{path}.valueCode", code="value")


def _by_name(parameters: Json) -> dict[str, tuple[Json, str]]:
    if parameters.get("resourceType") != "Parameters":
        raise bad_request("Send a Parameters resource.", "Parameters", code="structure")
    given: dict[str, tuple[Json, str]] = {}
    listed = parameters.get("parameter")
    for index, parameter in enumerate(listed if isinstance(listed, list) else []):
        path = f"Parameters.parameter[{index}]"
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if name not in _KNOWN:
            raise bad_request(f"$assess knows the parameters {', '.join(_KNOWN)}.", f"{path}.name")
        if name in given:
            raise bad_request(f"The parameter {name} is given twice.", path)
        given[name] = (parameter, path)
    return given


def _day(value: Json, path: str) -> dt.date:
    try:
        return decision_day(value["valueDate"])
    except (KeyError, ValueError):
        wanted = (
            f"The parameter on is a whole day as valueDate, such as 2026-03-31, and not after {LAST_DAY}."
        )
        raise bad_request(wanted, f"{path}.valueDate", code="value") from None


def _patient(value: Json, path: str) -> str:
    pointed = target(value.get("valueReference", {}).get("reference", ""))
    if pointed is None or pointed[0] != "Patient":
        wanted = "The parameter subject is a valueReference to a Patient, such as Patient/1."
        raise bad_request(wanted, f"{path}.valueReference", code="value")
    return pointed[1]
