"""New brain metastases since the first brain-directed treatment, from the days lesions were first measured.

A lesion counts as new where its first dated measurement lies after the first treatment, while another lesion
was there before. A measurement may come later than the lesion, so what follows is only likely; and that no
new lesion is described never means that there is none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec

from isodose.clinical import facts, timeline
from isodose.clinical.derive.courses import last_day, lesions_of, was_given
from isodose.clinical.record import Fact, PatientRecord, Subject

_MEASURED = ("lesion_diameter_cm", "lesion_volume_ml", "longest_diameter_mm")


def new_lesion_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with the number of new lesions and the months since the first treatment, where both follow."""
    found = tuple(_since_first_treatment(record, on))
    return msgspec.structs.replace(record, facts=record.facts + found) if found else record


def _since_first_treatment(record: PatientRecord, on: dt.date) -> Iterator[Fact]:
    treated = _first_treatment(record, on)
    if treated is None:
        return
    first, targets = treated
    seen = {s.ref: day for s in record.of_scope("lesion") if (day := _first_seen(s, on)) is not None}
    before = {ref for ref, day in seen.items() if day <= first or ref in targets}
    new = {ref: day for ref, day in seen.items() if ref not in before}
    if not before or not new:
        return
    counted = max(new.values())
    reason = f"{len(new)} lesions were first measured after the first brain treatment on {first}."
    months = timeline.months_between(first, counted)
    yield _fact("new_lesions_since_initial_treatment", len(new), counted, reason)
    yield _fact("months_since_initial_treatment", months, counted, reason)


def _first_treatment(record: PatientRecord, on: dt.date) -> tuple[dt.date, frozenset[str]] | None:
    """The day of the first course or operation on the brain, and the lesions it treated."""
    treatments = [
        (day, frozenset(lesions_of(course, record)[0]))
        for course in record.courses
        if course.kind not in ("extracranial", "unknown")
        and was_given(course, on)
        and (day := course.start or last_day(course)) is not None
    ]
    treatments += [
        (operation.on, frozenset(operation.lesions))
        for operation in record.operations
        if operation.status == "done" and operation.on is not None and operation.on <= on
    ]
    return min(treatments, key=lambda treatment: (treatment[0], sorted(treatment[1])), default=None)


def _first_seen(lesion: Subject, on: dt.date) -> dt.date | None:
    days = [f.on for f in lesion.facts if f.name in _MEASURED and f.on is not None and f.on <= on]
    return min(days, default=None)


def _fact(name: str, value: float, on: dt.date, reason: str) -> Fact:
    unit = facts.definition(name).unit
    return Fact(name=name, value=value, unit=unit, on=on, certainty="likely", stated=False, reasons=(reason,))
