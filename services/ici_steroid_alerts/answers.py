"""What clinicians answered to an alert, kept as one FHIR Basic per rule and pair.

R4 has no resource for it; DetectedIssue.mitigation shows the answers, Basic keeps them also where the alert
was answered on a card before any order was signed. https://hl7.org/fhir/R4/basic.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ici_steroid_alerts.names import CardName, name_in

Resource = dict[str, Any]
Outcome = Literal["accepted", "overridden", "acknowledged"]
_SAID = {"accepted": "Suggestion accepted", "overridden": "Overridden", "acknowledged": "Acknowledged"}
GRACE = dt.timedelta(days=1)
"""An answer given up to a day before the alert is on record counts: the order was still a draft then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `reason` is a coding of CDS Hooks or the worklist; `where` the CDS service or worklist."""

    card: str
    outcome: Outcome
    at: dt.datetime
    where: str
    reason: Mapping[str, str] | None = None
    comment: str = ""

    @property
    def name(self) -> CardName | None:
        return name_in(self.card)


def basic_id(name: CardName) -> str:
    return f"alert-{name.thread}"


def answers_of(basic: Mapping[str, Any] | None) -> list[Answer]:
    """The answers in a Basic, oldest first."""
    found = []
    for extension in (basic or {}).get("extension", []):
        if extension["url"].endswith("/alert-answer"):
            parts = {one["url"]: one for one in extension["extension"]}
            found.append(
                Answer(
                    card=parts["card"]["valueString"],
                    outcome=parts["outcome"]["valueCode"],
                    at=dt.datetime.fromisoformat(parts["at"]["valueDateTime"]),
                    where=parts["where"]["valueString"],
                    reason=parts["reason"]["valueCoding"] if "reason" in parts else None,
                    comment=parts["comment"]["valueString"] if "comment" in parts else "",
                )
            )
    return found


def basic_of(name: CardName, code: str, answers: Iterable[Answer], base: str) -> Resource:
    """The Basic that keeps `answers` to the alerts of one rule and pair, each once, oldest first."""
    ordered = sorted(set_of(answers), key=lambda a: (a.at, a.card, a.outcome))
    return {
        "resourceType": "Basic",
        "id": basic_id(name),
        "identifier": [{"system": f"{base}/NamingSystem/alert-answers", "value": name.thread}],
        "code": {
            "coding": [{"system": f"{base}/CodeSystem/resource-kind", "code": "alert-answers"}],
            "text": "What clinicians answered to an alert",
        },
        "extension": [
            {"url": f"{base}/StructureDefinition/alert-rule", "valueCode": code},
            *(_extension(answer, base) for answer in ordered),
        ],
    }


def set_of(answers: Iterable[Answer]) -> list[Answer]:
    """Each answer once: a message told again adds nothing."""
    return list({(a.card, a.outcome, a.at): a for a in answers}.values())


def _extension(answer: Answer, base: str) -> Resource:
    parts: list[Resource] = [
        {"url": "card", "valueString": answer.card},
        {"url": "outcome", "valueCode": answer.outcome},
        {"url": "at", "valueDateTime": answer.at.isoformat()},
        {"url": "where", "valueString": answer.where},
    ]
    if answer.reason:
        parts.append({"url": "reason", "valueCoding": dict(answer.reason)})
    if answer.comment:
        parts.append({"url": "comment", "valueString": answer.comment})
    return {"url": f"{base}/StructureDefinition/alert-answer", "extension": parts}


def is_answered(name: CardName, answers: Iterable[Answer], since: dt.date) -> bool:
    """Whether an override or acknowledgement since that day still holds: the same drugs, nothing worse."""
    return any(_holds(answer, name, since) for answer in answers if answer.outcome != "accepted")


def is_overridden(name: CardName, answers: Iterable[Answer], since: dt.date) -> bool:
    """Whether an override since that day still holds. Only this keeps a card from being shown: who
    acknowledged an alert on the worklist did not decide for whoever signs the next order.
    """
    return any(_holds(answer, name, since) for answer in answers if answer.outcome == "overridden")


def _holds(answer: Answer, name: CardName, since: dt.date) -> bool:
    told = answer.name
    recent = answer.at.date() >= since - GRACE
    return recent and told is not None and told.drugs == name.drugs and told.level >= name.level


def mitigation_of(answer: Answer) -> Resource:
    """An answer as DetectedIssue.mitigation has it."""
    said = " ".join(filter(None, (_SAID[answer.outcome], f"({answer.where})")))
    reason = answer.reason or {}
    words = ": ".join(filter(None, (said, reason.get("display") or reason.get("code", ""), answer.comment)))
    action: Resource = {"text": words}
    if reason:
        action["coding"] = [dict(reason)]
    return {"action": action, "date": answer.at.isoformat()}
