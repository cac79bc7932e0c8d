"""Facts of the patient that follow from the lesions of a record, measured one by one, on a day.

Only what cannot be otherwise is concluded. How many metastases there are never follows from how many lesions
a record happens to describe: small ones are often counted on the MRI and not described. The largest and sum
follow only when the stated number of metastases equals the number of lesions described and each of them was
measured on the same day; one lesion left out, or measured on another day, could be the largest. A lesion of
which the setting is not recorded is taken for a metastasis, and what follows is then only likely.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence

import msgspec

from isodose.clinical import facts
from isodose.clinical.facts import current
from isodose.clinical.record import Fact, PatientRecord, Subject

MONTHS_PER_YEAR = 12


def lesion_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with derived facts on the lesions taken together; stated ones come first."""
    found = tuple(_taken_together(record, on))
    return msgspec.structs.replace(record, facts=record.facts + found) if found else record


def _taken_together(record: PatientRecord, on: dt.date) -> Iterator[Fact]:
    lesions = [s for s in record.of_scope("lesion") if _is_metastasis(s, on)]
    count = current(record.facts, "lesion_count", on)
    if count is not None and lesions and count.value == len(lesions):
        sure = all(current(lesion.facts, "lesion_setting", on) for lesion in lesions)
        diameters = _measured(lesions, "lesion_diameter_cm", on)
        volumes = _measured(lesions, "lesion_volume_ml", on)
        if diameters:
            yield _combined("largest_diameter_cm", max, "largest diameter", diameters, sure)
        if volumes:
            yield _combined("largest_volume_ml", max, "largest volume", volumes, sure)
            yield _combined("citv_ml", sum, "sum of the volumes", volumes, sure)
    yield from _velocity(record, on)


def _measured(lesions: Sequence[Subject], name: str, on: dt.date) -> list[Fact]:
    """One measurement of each lesion, all of one day; empty where that cannot be had."""
    measured = [current(lesion.facts, name, on) for lesion in lesions]
    known = [fact for fact in measured if fact is not None]
    return known if len(known) == len(measured) and len({fact.on for fact in known}) == 1 else []


def _combined(
    name: str, take: Callable[[list[float]], float], words: str, measured: Sequence[Fact], sure: bool
) -> Fact:
    largest = max(measured, key=lambda f: (f.value, f.source))
    return Fact(
        name=name,
        value=round(take([float(fact.value) for fact in measured]), 6),
        unit=facts.definition(name).unit,
        on=largest.on,
        source=largest.source,
        certainty="sure" if sure and all(fact.certainty == "sure" for fact in measured) else "likely",
        stated=False,
        reasons=(
            f"The {words}, as all {len(measured)} metastases that are counted were measured on one day.",
        ),
    )


def _velocity(record: PatientRecord, on: dt.date) -> Iterator[Fact]:
    new = current(record.facts, "new_lesions_since_initial_treatment", on)
    months = current(record.facts, "months_since_initial_treatment", on)
    if new is None or months is None or new.on != months.on:
        return
    years = float(months.value) / MONTHS_PER_YEAR
    if years <= 0 or not math.isfinite(float(new.value) / years):
        return
    yield Fact(
        name="bm_velocity_per_year",
        value=float(new.value) / years,
        unit=facts.definition("bm_velocity_per_year").unit,
        on=new.on,
        source=new.source,
        certainty="sure" if new.certainty == months.certainty == "sure" else "likely",
        stated=False,
        reasons=(f"{new.value} new lesions in {months.value} months since the first brain treatment.",),
    )


def _is_metastasis(lesion: Subject, on: dt.date) -> bool:
    setting = current(lesion.facts, "lesion_setting", on)
    return setting is None or setting.value != "resection_cavity"
