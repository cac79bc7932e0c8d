"""`$assess`: a decision asked for, with nothing stored. In and out are FHIR Parameters.

https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from isodose.assessment.bundles import record_in
from isodose.assessment.decider import Decider, Decision, decide
from isodose.clinical.finding import Citation, Criterion, FactUsed, Finding, Option, Side
from isodose.clinical.knowledge import Entry
from isodose.clinical.record import FactScalar, PatientRecord
from isodose.fhir.errors import bad_request, not_found, unprocessable
from isodose.fhir.references import target
from isodose.fhir.rest import Call, Operation
from isodose.fhir.validation import validate
from isodose.telemetry import observing
from isodose.work import Work

Json = dict[str, Any]
Stored = Callable[[str], PatientRecord | None]
_KNOWN = ("record", "subject", "on", "explain")
_PARAMETERS = (
    ("record", "in", 0, "1", "Bundle"),
    ("subject", "in", 0, "1", "Reference"),
    ("on", "in", 0, "1", "date"),
    ("explain", "in", 0, "1", "boolean"),
    ("finding", "out", 0, "*", "BackboneElement"),
    ("option", "out", 0, "*", "BackboneElement"),
    ("evidence", "out", 0, "*", "BackboneElement"),
    ("resource", "out", 0, "*", "Any"),
    ("knowledge-version", "out", 1, "1", "string"),
    ("record-version", "out", 1, "1", "integer"),
    ("on", "out", 1, "1", "date"),
)


def assess_operation(decider: Decider) -> Operation:
    """`POST [base]/$assess` of the service that decides by `decider`."""

    def handle(work: Work, call: Call) -> Json:
        if call.body is None:
            raise bad_request("Send a Parameters resource.", "Parameters", code="required")
        return assess(decider, call.body.data, lambda id: stored_record(work, call, id))

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


def assess(decider: Decider, parameters: Json, stored: Stored) -> Json:
    """The answer of `decider` to the `parameters`, as Parameters.

    `stored` gives the record of a patient by id. Raises `FhirError` naming the parameter that is at fault.
    """
    record, on, explain = _asked(decider, parameters, stored)
    with observing().deciding() as verdicts:
        decision = decide(decider, record, on)
        verdicts += [finding.verdict for finding in decision.findings]
    return answer(decider, decision, explain)


def answer(decider: Decider, decision: Decision, explain: bool = False) -> Json:
    """A decision as Parameters: findings, options, resources, and what they were decided on.

    With `explain` also what they rest on: facts, citations, the sides of a question with the entries that
    argue there and that no rule judges, the criteria of a score.
    """
    parameters: list[Json] = [
        {"name": "finding", "part": _finding(f) + (_grounds(f) if explain else [])} for f in decision.findings
    ]
    parameters += [
        {"name": "option", "part": _option(o) + (_criteria(o) if explain else [])} for o in decision.options
    ]
    if explain:
        parameters += [
            {"name": "evidence", "part": _evidence(code, decider.knowledge.entry(code))}
            for code in _beside(decision.findings)
        ]
    parameters += [{"name": "resource", "resource": resource} for resource in decision.resources]
    parameters += [
        {"name": "knowledge-version", "valueString": decider.knowledge.version},
        {"name": "record-version", "valueInteger": decision.record.version},
        {"name": "on", "valueDate": decision.on.isoformat()},
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _asked(decider: Decider, parameters: Json, stored: Stored) -> tuple[PatientRecord, dt.date, bool]:
    given = _by_name(parameters)
    validate(parameters)
    on = _day(*given["on"]) if "on" in given else decider.today()
    explain = _flag(*given["explain"]) if "explain" in given else False
    subject = _patient(*given["subject"]) if "subject" in given else None
    if "record" in given:
        value, path = given["record"]
        bundle = value.get("resource", {})
        if bundle.get("resourceType") != "Bundle":
            raise bad_request("The parameter record holds one Bundle of R4 resources.", f"{path}.resource")
        return record_in(bundle, f"{path}.resource", subject), on, explain
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
    return record, on, explain


def _flag(value: Json, path: str) -> bool:
    if not isinstance(value.get("valueBoolean"), bool):
        raise bad_request("The parameter explain is a valueBoolean.", f"{path}.valueBoolean", code="value")
    return bool(value["valueBoolean"])


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
        return dt.date.fromisoformat(value["valueDate"])
    except (KeyError, ValueError):
        wanted = "The parameter on is a whole day as valueDate, such as 2026-03-31."
        raise bad_request(wanted, f"{path}.valueDate", code="value") from None


def _patient(value: Json, path: str) -> str:
    pointed = target(value.get("valueReference", {}).get("reference", ""))
    if pointed is None or pointed[0] != "Patient":
        wanted = "The parameter subject is a valueReference to a Patient, such as Patient/1."
        raise bad_request(wanted, f"{path}.valueReference", code="value")
    return pointed[1]


def _finding(finding: Finding) -> list[Json]:
    parts: list[Json] = [
        {"name": "code", "valueCode": finding.code},
        {"name": "verdict", "valueCode": finding.verdict},
    ]
    if finding.applies_to:
        parts.append({"name": "applies-to", "valueString": finding.applies_to})
    if finding.value is not None:
        parts.append({"name": "value"} | _value(finding.value))
    if finding.unit:
        parts.append({"name": "unit", "valueCode": finding.unit})
    parts.append({"name": "strength", "valueCode": finding.strength})
    if finding.severity is not None:
        parts.append({"name": "severity", "valueCode": finding.severity})
    parts += [{"name": "missing", "valueCode": name} for name in finding.missing]
    parts.append({"name": "summary", "valueString": finding.summary})
    parts += [{"name": "evidence", "valueCode": code} for code in finding.evidence]
    return parts


def _grounds(finding: Finding) -> list[Json]:
    parts: list[Json] = [{"name": "side", "part": _side(side)} for side in finding.sides]
    parts += [{"name": "fact", "part": _fact(fact)} for fact in finding.facts]
    parts += [{"name": "citation", "valueString": _cited(source)} for source in finding.sources]
    return parts


def _fact(fact: FactUsed) -> list[Json]:
    """A fact the finding rests on, as it stood, and the resource it was read from."""
    parts: list[Json] = [{"name": "name", "valueCode": fact.name}, {"name": "value"} | _value(fact.value)]
    if fact.unit:
        parts.append({"name": "unit", "valueString": fact.unit})
    if fact.on is not None:
        parts.append({"name": "on", "valueDate": fact.on.isoformat()})
    if fact.source:
        parts.append({"name": "source", "valueReference": {"reference": fact.source}})
    if fact.stale:
        parts.append({"name": "stale", "valueBoolean": True})
    return parts


def _cited(source: Citation) -> str:
    """A source in words; one that was recalled and not read says so."""
    figure = f": {source.figure}" if source.figure else ""
    doi = f" https://doi.org/{source.doi}" if source.doi else ""
    awaits = " (source awaits clinical sign-off)" if source.seen == "memory" else ""
    return f"{source.cite}{figure}{doi}{awaits}"


def _side(side: Side) -> list[Json]:
    arguments = [{"name": "finding", "valueCode": code} for code in side.arguments]
    return [{"name": "position", "valueString": side.position}, *arguments]


def _beside(findings: Sequence[Finding]) -> list[str]:
    """The entries that argue on a side of a question, and that no finding is about."""
    judged = {finding.code for finding in findings}
    arguing = (code for finding in findings for side in finding.sides for code in side.arguments)
    return [code for code in dict.fromkeys(arguing) if code not in judged]


def _evidence(code: str, entry: Entry) -> list[Json]:
    said = " ".join(filter(None, (entry.statement, entry.conflicts, entry.suspect)))
    return [
        {"name": "code", "valueCode": code},
        {"name": "strength", "valueCode": entry.strength},
        {"name": "summary", "valueString": said},
        *({"name": "citation", "valueString": _cited(source)} for source in entry.evidence),
    ]


def _option(option: Option) -> list[Json]:
    parts: list[Json] = [
        {"name": "code", "valueCode": option.code},
        {"name": "standing", "valueCode": option.standing},
    ]
    if option.score is not None:
        parts.append({"name": "score"} | _value(option.score))
    parts += [{"name": "finding", "valueCode": code} for code in (*option.for_, *option.against)]
    parts += [{"name": "for", "valueCode": code} for code in option.for_]
    parts += [{"name": "against", "valueCode": code} for code in option.against]
    parts.append({"name": "leading", "valueBoolean": option.leads})
    parts.append({"name": "bound", "valueRange": _range(*option.bound)})
    if option.score_withheld:
        parts.append({"name": "score-withheld", "valueString": option.score_withheld})
    parts += [{"name": "possible", "valueCode": standing} for standing in option.possible]
    parts += [{"name": "missing", "valueCode": name} for name in option.missing]
    return parts


def _criteria(option: Option) -> list[Json]:
    return [{"name": "criterion", "part": _criterion(criterion)} for criterion in option.criteria]


def _range(low: int, high: int) -> Json:
    return {"low": {"value": low}, "high": {"value": high}}


def _criterion(criterion: Criterion) -> list[Json]:
    parts: list[Json] = [
        {"name": "code", "valueCode": criterion.code},
        {"name": "favourable", "valueCode": criterion.favourable},
        {"name": "points", "valueInteger": criterion.points},
    ]
    if criterion.given is not None:
        parts.append({"name": "given", "valueInteger": criterion.given})
    parts += [{"name": "missing", "valueCode": name} for name in criterion.missing]
    return parts


def _value(value: FactScalar) -> Json:
    kinds = {bool: "valueBoolean", int: "valueInteger", float: "valueDecimal", str: "valueString"}
    return {kinds[type(value)]: value}
