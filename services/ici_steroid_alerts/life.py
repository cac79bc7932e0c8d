"""The life of an alert beside the facts: since when it stands, what was answered, whether that still holds.

Facts alone raise, change and resolve an alert. An override or an acknowledgement keeps it quiet until it is
about other drugs or graver; then it is open again, as `amended`, with all that was answered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ici_steroid_alerts.answers import Answer, answers_of, basic_id, basic_of, is_answered, mitigation_of
from ici_steroid_alerts.names import CardName, name_in, rule_mark
from isodose.assessment import Decider, Due, reassess
from isodose.fhir.search import matching_ids
from isodose.storage.erasure import Related
from isodose.work import Work

Resource = dict[str, Any]
_GONE = ("cancelled", "entered-in-error")


def carry(work: Work, resources: list[Resource], on: dt.date) -> list[Resource]:
    """The alerts with the day they began to stand and with what was answered to them."""
    issues = [r for r in resources if r["resourceType"] == "DetectedIssue"]
    names = {issue["id"]: name for issue in issues if (name := name_of(issue)) is not None}
    keys = [("DetectedIssue", issue["id"]) for issue in issues]
    keys += [("Basic", basic_id(name)) for name in names.values()]
    kept = {key: stored.resource() for key, stored in work.resources.get_many(keys).items() if stored.body}
    return [_lived(r, names, kept, on) if r["id"] in names else r for r in resources]


def _lived(
    issue: Resource, names: Mapping[str, CardName], kept: Mapping[tuple[str, str], Resource], on: dt.date
) -> Resource:
    name = names[issue["id"]]
    answers = answers_of(kept.get(("Basic", basic_id(name))))
    before = kept.get(("DetectedIssue", issue["id"]))
    since = stands_since(before) or on
    lived = issue | {"identifiedDateTime": since.isoformat()}
    if not answers:
        return lived
    answered = is_answered(name, answers, since)
    lived["mitigation"] = [*issue.get("mitigation", []), *map(mitigation_of, answers)]
    this_time = any(a.at.date() >= since for a in answers if a.outcome != "accepted")
    if this_time and not answered and issue["status"] == "final":
        lived["status"] = "amended"
    base = next(i["system"] for i in issue["identifier"]).partition("/NamingSystem/")[0]
    state = {
        "url": f"{base}/StructureDefinition/alert-state",
        "valueCode": "answered" if answered else "open",
    }
    return lived | {"extension": [*issue.get("extension", []), state]}


def stands_since(issue: Mapping[str, Any] | None) -> dt.date | None:
    """The day from which a stored alert stands without a break; None where it does not stand."""
    if issue is None or issue.get("status") in _GONE or not issue.get("identifiedDateTime"):
        return None
    return dt.date.fromisoformat(issue["identifiedDateTime"][:10])


def name_of(issue: Mapping[str, Any]) -> CardName | None:
    """The name of the card that shows this DetectedIssue."""
    for identifier in issue.get("identifier", []):
        if identifier["system"].endswith("/NamingSystem/alert-card"):
            return name_in(identifier["value"])
    return None


def answers_kept(work: Work, patient_id: str) -> Related:
    """What is kept of answers to this patient's alerts; it does not name the patient."""
    issues = [s.resource() for s in work.resources.results_of(patient_id) if s.type == "DetectedIssue"]
    names = [name for issue in issues if (name := name_of(issue)) is not None]
    kept = work.resources.get_many([("Basic", basic_id(name)) for name in names])
    cards = [answer.card for one in kept.values() if one.body for answer in answers_of(one.resource())]
    return Related(resources=list(kept), events=cards)


def keep_answer(work: Work, decider: Decider, answer: Answer) -> bool:
    """Keep an answer, and renew the alert that it is about where that stands. False where no rule of ours is
    named by the card, or the answer is kept already.
    """
    name = answer.name
    code = _rule(name, decider) if name is not None else None
    if name is None or code is None:
        return False
    stored = work.resources.get("Basic", basic_id(name))
    before = answers_of(stored.resource() if stored is not None and stored.body else None)
    after = basic_of(name, code, [*before, answer], decider.base)
    if answers_of(after) == before:
        return False
    work.resources.put_result(after)
    asked = [("identifier", f"{decider.base}/NamingSystem/alert|{name.thread}")]
    for issue in matching_ids(work.resources, "DetectedIssue", asked):
        found = work.resources.get("DetectedIssue", issue)
        if found is not None and found.patient_id:
            work.records.lock(found.patient_id)
            record = work.records.get(found.patient_id)
            if record is not None:
                reassess(work, decider, [Due(record, decider.today(), again=True)])
    return True


def _rule(name: CardName, decider: Decider) -> str | None:
    return next((code for code in decider.knowledge.entries if rule_mark(code) == name.rule), None)
