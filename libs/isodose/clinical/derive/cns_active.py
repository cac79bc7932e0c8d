"""A drug that acts in the brain exists for this tumour: it follows from tumour type and marker.

Only "yes" follows: that the review names no drug for a tumour is no proof that there is none. Whether a
checkpoint inhibitor suits is not told by the tumour type, so nothing follows from that.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from importlib.resources import files

import msgspec

from isodose.clinical.facts import current
from isodose.clinical.record import Fact, PatientRecord
from isodose.clinical.written import parsed


class Named(msgspec.Struct, frozen=True):
    """A drug named for tumour types with a marker in one of some states; no marker: for the tumour types."""

    entry: str
    histologies: tuple[str, ...]
    drug: str
    marker: str = ""
    states: tuple[str, ...] = ()


@cache
def named() -> tuple[Named, ...]:
    """What the review names, in its order."""
    text = files("isodose.clinical.derive").joinpath("cns_active.yaml").read_text(encoding="utf-8")
    return msgspec.convert(parsed(text)["named"], tuple[Named, ...])


def cns_active_facts(record: PatientRecord, on: dt.date) -> PatientRecord:
    """`record` with the fact that a CNS-active drug is available, where one is named for the tumour."""
    histology = current(record.facts, "histology", on)
    if histology is None:
        return record
    for drug in named():
        rests_on = _rests_on(drug, histology, record, on)
        if rests_on is not None:
            return msgspec.structs.replace(record, facts=(*record.facts, _available(drug, rests_on)))
    return record


def _rests_on(drug: Named, histology: Fact, record: PatientRecord, on: dt.date) -> Fact | None:
    """The fact that tells last that the drug is named for this tumour."""
    if histology.value not in drug.histologies:
        return None
    if not drug.marker:
        return histology
    marker = current(record.facts, drug.marker, on)
    return marker if marker is not None and marker.value in drug.states else None


def _available(drug: Named, rests_on: Fact) -> Fact:
    return Fact(
        name="cns_active_therapy_available",
        value=True,
        on=rests_on.on,
        source=rests_on.source,
        certainty=rests_on.certainty,
        stated=False,
        reasons=(f"{drug.drug} named as CNS-active for this tumour ({drug.entry})",),
    )
