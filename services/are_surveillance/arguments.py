"""Factors that are present and change no interval, because no source gives one: said beside the plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from are_surveillance.anchors import Anchor
from isodose.clinical import facts
from isodose.clinical.derive.courses import lesions_of
from isodose.clinical.knowledge import Knowledge
from isodose.clinical.record import PatientRecord, Subject

SIZES = (("cavity_diameter_cm", "cm"), ("cavity_volume_ml", "mL"))


def arguments(
    record: PatientRecord, anchor: Anchor, present: Sequence[str], knowledge: Knowledge, on: dt.date
) -> Iterator[str]:
    """A sentence for each entry of `present`, and for each resection cavity that the course treated.

    A large cavity is named beside the other reasons for sooner scans, but neither the review nor the
    supplement says which cavity is large or how soon to scan it.
    """
    for code in present:
        yield f"{knowledge.entry(code).met} No source gives an interval for it, so it changes none ({code})."
    treated, _ = lesions_of(anchor.course, record)
    for lesion in record.of_scope("lesion"):
        setting = facts.current(lesion.facts, "lesion_setting", on)
        if lesion.ref in (*treated, "") and setting and setting.value == "resection_cavity":
            where = lesion.ref or setting.source
            yield (
                f"A resection cavity was treated, {_size(lesion, on)} ({where}). No source says from which "
                "size on scans should come sooner, or how soon: it changes no interval."
            )


def _size(lesion: Subject, on: dt.date) -> str:
    for name, unit in SIZES:
        if (fact := facts.current(lesion.facts, name, on)) is not None:
            return f"{fact.value:g} {unit}{f' on {fact.on}' if fact.on else ''}"
    return "its size is not known"
