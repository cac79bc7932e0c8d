"""The decision as FHIR R4: a GuidanceResponse that says what is missing, a RequestGroup with every option.

https://hl7.org/fhir/R4/guidanceresponse.html · https://hl7.org/fhir/R4/requestgroup.html
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from eligibility_scoring.citations import artifact
from eligibility_scoring.dosing.outputs import Doses, with_doses
from eligibility_scoring.options import leading, options
from eligibility_scoring.standing import ORDER, UNKNOWN
from eligibility_scoring.trials.proposals import proposals, studies_of, with_trials
from isodose.clinical import facts
from isodose.clinical.finding import Finding, Option
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord
from isodose.fhir.resources import result_id

Resource = dict[str, Any]

LEADING = "leading"
"""The prefix of the one action that leads; no action has it while that is unknown."""


def resources(
    record: PatientRecord, findings: list[Finding], knowledge: Knowledge, on: dt.date, base: str
) -> list[Resource]:
    """One GuidanceResponse, the RequestGroup it results in, and the trials in that; none after death."""
    if record.deceased:
        return []
    judged = options(findings, knowledge, record)
    proposed = proposals(record, judged, on)
    doses = Doses(record, judged, knowledge, on)
    made = _actions(judged, findings, knowledge, base)
    actions = [with_doses(with_trials(action, proposed, base), doses) for action in made]
    group = _request_group(record, actions, on, base)
    return [_guidance(record, judged, on, base), group, *studies_of(proposed, base)]


def in_order(judged: Sequence[Option]) -> list[Option]:
    """The leading option first; where none leads, what is undecided comes first, so that it is seen."""
    lead = leading(judged)
    if lead is None:
        return sorted(judged, key=lambda o: o.standing != UNKNOWN)
    return sorted(judged, key=lambda o: (o is not lead, ORDER.index(o.standing)))


def wanted(judged: Iterable[Option]) -> list[str]:
    """The missing facts, those that leave most options undecided first."""
    counted = Counter(name for option in judged for name in option.missing)
    return sorted(counted, key=lambda name: (-counted[name], name))


def _guidance(record: PatientRecord, judged: Sequence[Option], on: dt.date, base: str) -> Resource:
    missing = wanted(judged)
    lead = leading(judged)
    said = f"Leading option: {lead.title} ({lead.standing})." if lead else "No option leads yet."
    resource: Resource = {
        "resourceType": "GuidanceResponse",
        "identifier": [_identifier(record, "guidance", base)],
        "moduleUri": f"{base}/PlanDefinition/srs-pathway",
        "status": "success" if lead else "data-required",
        "subject": {"reference": f"Patient/{record.patient_id}"},
        "occurrenceDateTime": on.isoformat(),
        "note": [{"text": f"{said} The platform proposes; a clinician decides."}],
        "result": {"reference": f"RequestGroup/{result_id(_key(record, 'options'))}"},
    }
    if missing:
        resource["dataRequirement"] = [_data_requirement(name, base) for name in missing]
    return resource


def _data_requirement(name: str, base: str) -> Resource:
    display = facts.definition(name).definition
    coding = {"system": f"{base}/CodeSystem/fact", "code": name, "display": display}
    return {"type": "Observation", "codeFilter": [{"path": "code", "code": [coding]}]}


def _request_group(record: PatientRecord, actions: list[Resource], on: dt.date, base: str) -> Resource:
    return {
        "resourceType": "RequestGroup",
        "identifier": [_identifier(record, "options", base)],
        "status": "active",
        "intent": "proposal",
        "code": {"text": "Treatment options for brain metastases"},
        "subject": {"reference": f"Patient/{record.patient_id}"},
        "authoredOn": on.isoformat(),
        "action": actions,
    }


def _actions(
    judged: Sequence[Option], findings: Sequence[Finding], knowledge: Knowledge, base: str
) -> list[Resource]:
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    lead = leading(judged)
    return [
        {**({"prefix": LEADING} if option is lead else {}), **_action(option, by_code, knowledge, base)}
        for option in in_order(judged)
    ]


def _action(option: Option, by_code: dict[str, list[Finding]], knowledge: Knowledge, base: str) -> Resource:
    """R4 asks of every action a resource or sub-actions (rqg-1): here the definition of the option."""
    cited = [s for code in (*option.for_, *option.against) for s in by_code[code][0].sources]
    cited += [s for code in knowledge.evidence_for(option.code) for s in knowledge.entry(code).evidence]
    action: Resource = {
        "title": option.title,
        "description": in_words(option),
        "code": [
            {"coding": [{"system": f"{base}/CodeSystem/option", "code": option.code}], "text": option.title},
            {
                "coding": [{"system": f"{base}/CodeSystem/option-standing", "code": option.standing}],
                "text": option.standing,
            },
        ],
        "resource": {"reference": f"{base}/ActivityDefinition/{option.code}", "display": option.title},
    }
    if cited:
        action["documentation"] = [artifact(source) for source in dict.fromkeys(cited)]
    return action


def in_words(option: Option) -> str:
    """The standing with its reasons on one line."""
    parts = [
        option.standing + (f" (still possible: {', '.join(option.possible)})" if option.possible else "")
    ]
    if option.applies_to:
        parts.append(f"concerns {', '.join(option.applies_to)}")
    if option.for_:
        parts.append(f"for: {', '.join(option.for_)}")
    if option.against:
        parts.append(f"against: {', '.join(option.against)}")
    parts.append(f"would change it: {option.what_would_change.rstrip('.')}")
    return "; ".join(parts) + "."


def _key(record: PatientRecord, what: str) -> str:
    return f"eligibility_scoring/{record.patient_id}/{what}"


def _identifier(record: PatientRecord, what: str, base: str) -> Resource:
    return {"system": f"{base}/NamingSystem/result", "value": _key(record, what)}
