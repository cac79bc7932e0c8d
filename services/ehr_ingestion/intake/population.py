"""The form filled with what the record has: each value with its source and its day, to be left, changed or
confirmed.

https://hl7.org/fhir/uv/sdc/STU3/populate.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from ehr_ingestion.intake.answers import in_words
from ehr_ingestion.intake.form import (
    AS_OF,
    FOCUS,
    ID,
    TYPES,
    VALUES,
    Section,
    coding_of,
    layout,
    reference_of,
)
from isodose.clinical import facts
from isodose.clinical.facts import current
from isodose.clinical.record import Fact, PatientRecord, Subject
from isodose.fhir.conformance import RELEASED

Json = dict[str, Any]


def populated(record: PatientRecord, on: dt.date, base: str) -> Json:
    """A QuestionnaireResponse in progress. What is not known has no answer."""
    items = [item for section in layout().sections for item in _section(section, record, on, base)]
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{base}/Questionnaire/{ID}|{RELEASED}",
        "status": "in-progress",
        "subject": {"reference": f"Patient/{record.patient_id}"},
        "item": [{"linkId": AS_OF, "answer": [{"valueDate": on.isoformat()}]}, *items],
    }


def _section(section: Section, record: PatientRecord, on: dt.date, base: str) -> Iterator[Json]:
    if section.scope == "patient":
        held = list(_answers(section.facts, record.facts, on, base))
        if held:
            yield {"linkId": section.id, "item": held}
        return
    for subject in _newest_first(record, section):
        reference: Json = {"linkId": reference_of(section.scope), "answer": [_reference(subject)]}
        about = [reference] if subject.ref else []
        held = [*about, *_answers(section.facts, subject.facts, on, base)]
        if held:
            yield {"linkId": FOCUS[section.scope][0], "item": held}


def _newest_first(record: PatientRecord, section: Section) -> list[Subject]:
    """Scans by their day, the last one first; lesions and plans as the record has them."""
    days = {scan.ref: scan.on or dt.date.min for scan in record.scans}
    held = record.of_scope(section.scope)
    return sorted(held, key=lambda subject: days.get(subject.ref, dt.date.min), reverse=True)


def _reference(subject: Subject) -> Json:
    named = {"display": subject.label} if subject.label else {}
    return {"valueReference": {"reference": subject.ref} | named}


def _answers(names: Iterable[str], given: Iterable[Fact], on: dt.date, base: str) -> Iterator[Json]:
    """The values that count on the day, of what is asked, each with where it is from."""
    known = list(given)
    for name in names:
        fact = current(known, name, on)
        if fact is not None and _is_asked(name, known, on):
            yield {"linkId": name, "answer": [_answer(fact, base)]}


def _is_asked(name: str, known: Iterable[Fact], on: dt.date) -> bool:
    """Whether the form asks this, given what is known of the fact on which it depends."""
    condition = layout().asked_when.get(name)
    if condition is None:
        return True
    held = current(known, condition.fact, on)
    return held is not None and held.value == condition.is_


def _answer(fact: Fact, base: str) -> Json:
    value = _value(fact, base)
    parts: list[Json] = [{"url": "value", "valueString": in_words(value)}]
    if fact.source.count("/") == 1:
        parts.append({"url": "source", "valueReference": {"reference": fact.source}})
    if fact.on:
        parts.append({"url": "on", "valueDate": fact.on.isoformat()})
    if fact.certainty != "sure":
        parts.append({"url": "certainty", "valueCode": fact.certainty})
    return {"extension": [{"url": f"{base}/StructureDefinition/populated-from", "extension": parts}], **value}


def _value(fact: Fact, base: str) -> Json:
    kind = TYPES[facts.definition(fact.name).type]
    return {VALUES[kind]: coding_of(str(fact.value), base) if kind == "choice" else fact.value}
