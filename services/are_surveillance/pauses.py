"""Whether surveillance is paused on a day, and what about it or about MRI a person has to confirm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from are_surveillance.anchors import Question
from isodose.clinical.record import Fact, PatientRecord

PAUSE, CONTRAINDICATED, CHECK = "surveillance_pause", "mri_contraindicated", "mri_check_needed"


def standing(record: PatientRecord, on: dt.date) -> Fact | None:
    """What was said last of whether surveillance is paused; of two on one day the stated one counts.

    What was read from other resources pauses as long as it is `likely`; what is doubtful is only asked.
    """
    said = [f for f in _until(record, PAUSE, on) if f.certainty != "ask"]
    return max(said, key=_recency, default=None)


def contraindication(record: PatientRecord, on: dt.date) -> Fact | None:
    """The fact that speaks against MRI on the day, if any. What the team states counts more."""
    said = _until(record, CONTRAINDICATED, on)
    last = max(said, key=lambda f: (f.stated, *_recency(f)), default=None)
    return last if last is not None and last.value is True else None


def questions(record: PatientRecord, on: dt.date) -> Iterator[Question]:
    """What was inferred and is not answered by a later stated fact."""
    last = standing(record, on)
    if last is not None and not last.stated and last.value != "none":
        text = (
            f"{_why(last)} Is surveillance paused? Nothing is asked for until somebody says that it goes on."
        )
        yield Question("pause", last.source, text)
    for fact in _until(record, PAUSE, on):
        if (
            fact.certainty == "ask"
            and not _answered(fact, record, on, PAUSE)
            and not _scanned(fact, record, on)
        ):
            text = f"{_why(fact)} Does surveillance pause? It goes on until somebody says that it does."
            yield Question("pause", fact.source, text)
    for fact in _until(record, CHECK, on):
        if fact.value is True and not _answered(fact, record, on, CHECK, CONTRAINDICATED):
            yield Question("mri-safety", fact.source, _why(fact))


def _until(record: PatientRecord, name: str, on: dt.date) -> Sequence[Fact]:
    return [f for f in record.facts if f.name == name and (f.on is None or f.on <= on)]


def _recency(fact: Fact) -> tuple[dt.date, bool, str, str]:
    return (fact.on or dt.date.min, fact.stated, fact.source, str(fact.value))


def _answered(asked: Fact, record: PatientRecord, on: dt.date, *names: str) -> bool:
    """Whether one of the facts `names` was stated, or is likely, from the day of the doubtful one on."""
    answers = (f for name in names for f in _until(record, name, on))
    day = asked.on or dt.date.min
    return any((f.stated or f.certainty != "ask") and (f.on or dt.date.min) >= day for f in answers)


def _scanned(asked: Fact, record: PatientRecord, on: dt.date) -> bool:
    """Whether the brain was scanned after the day: a patient who comes has answered."""
    return any(
        scan.on is not None and (asked.on or dt.date.min) < scan.on <= on
        for scan in record.scans
        if (scan.region, scan.status) == ("brain", "done")
    )


def _why(fact: Fact) -> str:
    return " ".join(fact.reasons)
