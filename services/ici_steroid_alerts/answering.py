"""How answers come in: the feedback of cards, and `$answer` on an alert, which the worklist calls."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, get_args

import msgspec

from ici_steroid_alerts.answers import Answer, Outcome
from ici_steroid_alerts.life import keep_answer, name_of
from isodose.assessment import Decider
from isodose.events import contract
from isodose.events.consumer import Handler
from isodose.fhir.errors import FhirError, Issue, bad_request
from isodose.fhir.operations import Call, Operation
from isodose.fhir.validation import validate
from isodose.work import Work

Json = dict[str, Any]
WORKLIST = "worklist"
PLACES = ("ici-steroid-select", "ici-steroid-sign", WORKLIST)
_OUTCOMES = ("overridden", "acknowledged")


def on_card_feedback(decider: Decider) -> Handler:
    """Handle `isodose.card.feedback`: keep what was answered to a card of ours; others pass."""

    def keep(work: Work, events: Sequence[contract.Event]) -> None:
        for event in events:
            told = msgspec.json.decode(event.data, type=contract.CardFeedback)
            if told.service in PLACES and (answer := _answer(told)) is not None:
                keep_answer(work, decider, answer)

    return keep


def _answer(told: contract.CardFeedback) -> Answer | None:
    outcome = next((one for one in get_args(Outcome) if one == told.outcome), None)
    if outcome is None:
        return None
    given = told.override_reason or {}
    return Answer(
        card=told.card,
        outcome=outcome,
        at=dt.datetime.fromisoformat(told.outcome_timestamp),
        where=told.service or "",
        reason=_coding(given.get("reason")),
        comment=str(given.get("userComment") or ""),
    )


def _coding(given: Any) -> dict[str, str] | None:
    if not isinstance(given, dict) or not given.get("code"):
        return None
    return {name: str(given[name]) for name in ("system", "code", "display") if given.get(name)}


def answer_operation(decider: Decider, now: Callable[[], dt.datetime]) -> Operation:
    """`POST DetectedIssue/[id]/$answer` with Parameters: `outcome` (valueCode: overridden or acknowledged),
    for an override `reason` (valueCoding), optionally `comment` (valueString). Gives the DetectedIssue.
    """

    def handle(work: Work, call: Call) -> Json:
        if call.body is None or call.body.type != "Parameters":
            raise bad_request("Send Parameters with outcome and reason.", "Parameters", code="required")
        validate(call.body.data)
        given = {p.get("name"): p for p in call.body.data.get("parameter", [])}
        outcome = given.get("outcome", {}).get("valueCode")
        reason = _coding(given.get("reason", {}).get("valueCoding"))
        if outcome not in _OUTCOMES:
            raise bad_request("outcome is overridden or acknowledged.", "Parameters.parameter", code="value")
        if outcome == "overridden" and reason is None:
            raise bad_request("An override says its reason.", "Parameters.parameter", code="required")
        issue = work.resources.read("DetectedIssue", call.id or "")
        name = name_of(issue.resource())
        if name is None:
            said = "This DetectedIssue is not an alert of this service."
            raise FhirError(422, [Issue("not-supported", said)])
        comment = str(given.get("comment", {}).get("valueString", ""))
        answer = Answer(str(name.uuid), outcome, now(), WORKLIST, reason, comment)
        keep_answer(work, decider, answer)
        _tell(work, decider, answer)
        return work.resources.read("DetectedIssue", issue.id).resource()

    return Operation(
        name="$answer",
        level="instance",
        types=("DetectedIssue",),
        handle=handle,
        writes=True,
        summary="Override or acknowledge an alert",
        parameters=(
            ("outcome", "in", 1, "1", "code"),
            ("reason", "in", 0, "1", "Coding"),
            ("comment", "in", 0, "1", "string"),
            ("return", "out", 1, "1", "DetectedIssue"),
        ),
    )


def _tell(work: Work, decider: Decider, answer: Answer) -> None:
    """Put the answer where those of cards are: who rebuilds from the topic finds it there."""
    told: Json = {
        "card": answer.card,
        "outcome": answer.outcome,
        "outcomeTimestamp": answer.at.isoformat(),
        "service": answer.where,
    }
    if answer.reason:
        told["overrideReason"] = {"reason": dict(answer.reason), "userComment": answer.comment}
    event = contract.card_feedback(decider.service, told)
    work.outbox.add("isodose.card-feedback.v1", answer.card, event)
