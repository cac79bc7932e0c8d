"""`$override-report`: what was answered to each rule's alerts, so that a noisy rule can be found.

An alert that is overridden nine times in ten is a defect of the rule, not of the reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ici_steroid_alerts.answers import Answer, answers_of, set_of
from isodose.fhir.operations import Call, Operation
from isodose.fhir.search import matching_ids
from isodose.work import Work

Json = dict[str, Any]
NOISY_SHARE = 0.9
NOISY_FROM = 10
_MOST = 100_000


def override_report(base: str) -> Operation:
    """`GET [base]/$override-report`: Parameters, one `rule` per entry answered, the noisiest first."""

    def handle(work: Work, _call: Call) -> Json:
        asked = [("identifier", f"{base}/NamingSystem/alert-answers|")]
        ids = matching_ids(work.resources, "Basic", asked, limit=_MOST)
        stored = work.resources.get_many(("Basic", one) for one in ids).values()
        return report([one.resource() for one in stored if one.body])

    return Operation(
        name="$override-report",
        level="system",
        handle=handle,
        summary="Count by rule what was answered to alerts",
        parameters=(("rule", "out", 0, "*", "BackboneElement"),),
    )


def report(kept: Iterable[Json]) -> Json:
    """The counts of all answers kept. No patient, no comment and no card is in it."""
    by_rule: dict[str, list[Answer]] = {}
    for basic in kept:
        code = next(e["valueCode"] for e in basic["extension"] if e["url"].endswith("/alert-rule"))
        by_rule.setdefault(code, []).extend(set_of(answers_of(basic)))
    ordered = sorted(by_rule.items(), key=lambda pair: (-_share(pair[1]), -len(pair[1]), pair[0]))
    told = [_rule(code, answers) for code, answers in ordered]
    return {"resourceType": "Parameters"} | ({"parameter": told} if told else {})


def _rule(code: str, answers: Sequence[Answer]) -> Json:
    outcomes = Counter(answer.outcome for answer in answers)
    reasons = Counter(
        (str((a.reason or {}).get("code", "none-given")), str((a.reason or {}).get("display", "")))
        for a in answers
        if a.outcome == "overridden"
    )
    share = _share(answers)
    parts: list[Json] = [
        {"name": "code", "valueCode": code},
        {"name": "answered", "valueInteger": len(answers)},
        *(
            {"name": outcome, "valueInteger": outcomes[outcome]}
            for outcome in ("overridden", "acknowledged", "accepted")
        ),
        {"name": "share-overridden", "valueDecimal": round(share, 2)},
        {"name": "noisy", "valueBoolean": share >= NOISY_SHARE and len(answers) >= NOISY_FROM},
        {"name": "first", "valueDate": min(a.at for a in answers).date().isoformat()},
        {"name": "last", "valueDate": max(a.at for a in answers).date().isoformat()},
    ]
    for (reason, words), count in sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])):
        told: list[Json] = [{"name": "reason", "valueCode": reason}]
        if words:
            told.append({"name": "display", "valueString": words})
        parts.append({"name": "override", "part": [*told, {"name": "count", "valueInteger": count}]})
    return {"name": "rule", "part": parts}


def _share(answers: Sequence[Answer]) -> float:
    return sum(answer.outcome == "overridden" for answer in answers) / len(answers) if answers else 0.0
