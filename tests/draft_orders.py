"""The draft order of a scenario row: the course it stands for, the remarks on it, the advised dose."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from eligibility_scoring.dosing import wording
from eligibility_scoring.dosing.advice import advise
from eligibility_scoring.order_review import remarks
from eligibility_scoring.order_review.order import orders
from isodose.clinical import derive
from isodose.clinical.finding import Finding
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import Course, PatientRecord
from isodose.clinical.rules import View

Row = dict[str, Any]
GIVEN = {"order"}
EXPECTED = {"review", "remarks", "advice"}


def course(row: Row, on: dt.date) -> Course | None:
    """The order as the course it will be once it is signed; `start` counts days from the decision day."""
    told = row.get("order")
    if told is None:
        return None
    start = on + dt.timedelta(days=told["start"]) if "start" in told else None
    more = {key: value for key, value in told.items() if key not in ("fractions", "start")}
    usual = {"ref": "order", "certainty": "sure", "status": "planned"}
    return msgspec.convert(
        {**usual, "fractions_planned": told.get("fractions"), "start": start, **more}, Course
    )


def differences(
    row: Row, record: PatientRecord, findings: list[Finding], knowledge: Knowledge
) -> Iterator[str]:
    """Where the remarks or the advice are not as told. `review` names all remarks, in their order."""
    if not row.keys() & EXPECTED:
        return
    on = row.get("on", dt.date(2026, 11, 23))
    seen = derive.as_of(record, on)
    drafted = [course for course in record.courses if course.ref == "order"]
    made = remarks(orders(seen, drafted, findings, knowledge, on))
    found = {remark.code: "warning" if remark.serious else "info" for remark in made}
    if "review" in row and list(found.items()) != list(row["review"].items()):
        yield f"review {found}, told {row['review']}"
    said = [" ".join((r.title, *r.lines, *r.doubts, *(f.summary for f in r.findings))) for r in made]
    for words in row.get("remarks", ()):
        if not any(words in text for text in said):
            yield f"remarks {said}, told {words!r}"
    lesions = {s.ref: s for s in seen.of_scope("lesion")}
    for ref, words in row.get("advice", {}).items():
        advised = wording.usual(advise(View(seen, on, lesions[str(ref)]), knowledge, on))
        if advised != words:
            yield f"advice {advised!r}, told {words!r}"
