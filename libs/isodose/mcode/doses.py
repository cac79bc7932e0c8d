"""Doses and fractions of mCODE and CodeX radiotherapy resources, per target volume, in Gy.

https://hl7.org/fhir/us/mcode/StructureDefinition-mcode-radiotherapy-course-summary.html and
https://hl7.org/fhir/us/codex-radiation-therapy: the inner urls of the dose extensions are relative.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from isodose.mcode import units
from isodose.mcode.chart import Reading, Resource, extensions, reference_to, target_of

_DOSE_EXTENSIONS = (
    "mcode-radiotherapy-dose-delivered-to-volume",
    "codexrt-radiotherapy-dose-planned-to-volume",
    "codexrt-radiotherapy-dose-prescribed-to-volume",
)
_FRACTION_EXTENSIONS = ("codexrt-radiotherapy-fractions-delivered", "codexrt-radiotherapy-fractions-planned")
_MOST_GY = 150.0


class VolumeDose(NamedTuple):
    """What one volume received or is to receive; `in_words` where only the text of an order says so."""

    volume: str
    total_gy: float | None = None
    per_fraction_gy: float | None = None
    fractions: int | None = None
    in_words: bool = False


def doses_of(resource: Resource, reading: Reading) -> list[VolumeDose]:
    """The dose to each volume that a course or phase names; point doses are left out of totals."""
    ref = reference_to(resource)
    shared = next(
        (
            n
            for url in _FRACTION_EXTENSIONS
            for e in extensions(resource, url)
            if (n := _count(e)) is not None
        ),
        None,
    )
    found = []
    for url in _DOSE_EXTENSIONS:
        for extension in extensions(resource, url):
            dose = _volume_dose(extension, ref, reading)
            if dose is not None:
                found.append(dose if dose.fractions is not None else dose._replace(fractions=shared))
    if not found and shared is not None:
        found.append(VolumeDose("", fractions=shared))
    return found


def _volume_dose(extension: Resource, ref: str, reading: Reading) -> VolumeDose | None:
    volume, total, single, fractions = "", None, None, None
    for part in extension.get("extension") or ():
        if not isinstance(part, dict):
            continue
        name = str(part.get("url", "")).rpartition("/")[2]
        if name == "codexrt-radiotherapy-point-dose" and part.get("valueBoolean") is True:
            return None
        if name == "volume":
            volume = target_of(part.get("valueReference"))
        elif name in ("totalDoseDelivered", "totalDose"):
            total = _gray(part.get("valueQuantity"), ref, reading)
        elif name == "fractionDose":
            single = _gray(part.get("valueQuantity"), ref, reading)
        elif name in ("fractionsDelivered", "fractions"):
            fractions = _count(part)
    return VolumeDose(volume, total, single, fractions)


def _gray(quantity: Any, ref: str, reading: Reading) -> float | None:
    """A dose in Gy; mCODE fixes cGy, a dose in Gy is read too. Never taken where the unit is not told."""
    expression = f"{ref.partition('/')[0]}.extension"
    value = quantity.get("value") if isinstance(quantity, dict) else None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    gray = units.convert(float(value), str(quantity.get("code") or quantity.get("unit") or ""), "Gy")
    if gray is None:
        reading.problem("unit-does-not-fit", "A dose is given in a unit that is no dose", ref, expression)
        return None
    if not 0 < gray <= _MOST_GY:
        reading.problem(
            "dose-not-plausible", f"A dose above {_MOST_GY:g} Gy, or none, is not taken", ref, expression
        )
        return None
    return gray


def _count(part: Resource) -> int | None:
    for key in ("valueUnsignedInt", "valuePositiveInt", "valueInteger"):
        value = part.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def session_count(resource: Resource) -> int | None:
    """How many sessions there were; a session is not a fraction."""
    return next((n for e in extensions(resource, "mcode-radiotherapy-sessions") if (n := _count(e))), None)


def summed(phases: Iterable[list[VolumeDose]]) -> list[VolumeDose]:
    """The doses of phases given one after the other, added up per volume."""
    totals: dict[str, VolumeDose] = {}
    for phase in phases:
        for dose in phase:
            before = totals.get(dose.volume)
            totals[dose.volume] = dose if before is None else _added(before, dose)
    return [totals[volume] for volume in sorted(totals)]


def _added(one: VolumeDose, other: VolumeDose) -> VolumeDose:
    total = None if one.total_gy is None or other.total_gy is None else one.total_gy + other.total_gy
    both = None if one.fractions is None or other.fractions is None else one.fractions + other.fractions
    single = one.per_fraction_gy if one.per_fraction_gy == other.per_fraction_gy else None
    return VolumeDose(one.volume, total, single, both)


def completed(doses: list[VolumeDose], fallback: list[VolumeDose]) -> list[VolumeDose]:
    """`doses` with what they lack taken from `fallback` for the same volume; `fallback` if there are none."""
    if not doses:
        return fallback
    by_volume = {dose.volume: dose for dose in fallback}
    result = []
    for dose in doses:
        other = by_volume.get(dose.volume) or by_volume.get("")
        if other is None:
            result.append(dose)
            continue
        lacking = {name: value for name, value in other._asdict().items() if getattr(dose, name) is None}
        result.append(dose._replace(**lacking))
    return result


def main_dose(doses: list[VolumeDose]) -> VolumeDose:
    """The volume with the highest dose, its parts worked out where two of the three are known."""
    if not doses:
        return VolumeDose("")
    best = max(doses, key=lambda d: (d.total_gy or 0.0, d.per_fraction_gy or 0.0, d.fractions or 0, d.volume))
    _, total, single, fractions, _ = best
    if single is None and total is not None and fractions:
        single = round(total / fractions, 4)
    if total is None and single is not None and fractions:
        total = round(single * fractions, 4)
    if fractions is None and total is not None and single:
        fractions = round(total / single)
    return best._replace(total_gy=total, per_fraction_gy=single, fractions=fractions)
