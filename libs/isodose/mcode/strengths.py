"""How many milligrams of a drug are in one tablet or one millilitre: by the product's name or ingredients.

RxNorm, NDC and most order texts write it in the name: `dexamethasone 4 MG Oral Tablet`, `dexamethasone
phosphate 10 MG/ML Injectable Solution`. https://hl7.org/fhir/R4/medication-definitions.html#Medication.ingredient.strength
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from isodose.mcode import units
from isodose.mcode.chart import Resource, items

_AMOUNT = r"(\d+(?:[.,]\d+)?)\s*(mg|g|mcg|ug|milligrams?|grams?|micrograms?)"
_PER_VOLUME = re.compile(_AMOUNT + r"\s*(?:/|per)\s*(\d+(?:\.\d+)?)?\s*ml\b", re.IGNORECASE)
_PER_UNIT = re.compile(_AMOUNT + r"\b(?!\s*(?:/|per\b))", re.IGNORECASE)
_MASS = {"milligram": "mg", "gram": "g", "microgram": "ug", "mcg": "ug", "ug": "ug", "mg": "mg", "g": "g"}
_SPOKEN_MASS = {
    "mg": "mg",
    "milligram": "mg",
    "milligrams": "mg",
    "mcg": "ug",
    "microgram": "ug",
    "gram": "g",
}
_UNITS_OF_PRODUCT = frozenset(
    (
        "", "1", "tablet", "tablets", "tab", "tabs", "tbl", "{tbl}", "{tablet}", "{tab}", "capsule",
        "capsules", "cap", "caps", "{cap}", "{capsule}", "each", "ea", "unit", "units", "pill", "{pill}",
        "vial", "{vial}", "385055001", "428673006", "732936001", "732937005", "385049006",
    )
)  # fmt: skip


class Strength(NamedTuple):
    """Milligrams in one tablet or the like, and in one millilitre; None where it is not told."""

    per_unit_mg: float | None = None
    per_ml_mg: float | None = None

    def milligrams(self, value: float, unit: str) -> float | None:
        """`value` of `unit` in milligrams; None where the unit is neither a mass nor one of this product."""
        known = units.convert(value, _SPOKEN_MASS.get(unit.lower(), unit), "mg")
        if known is not None:
            return known
        if unit.lower() in _UNITS_OF_PRODUCT and self.per_unit_mg is not None:
            return value * self.per_unit_mg
        volume = units.convert(value, unit, "mL")
        return volume * self.per_ml_mg if volume is not None and self.per_ml_mg is not None else None


def strength_of(words: Iterable[str], medication: Resource | None = None) -> Strength:
    """The strength that the ingredients of `medication` or the names of the product tell, where all agree."""
    stated = list(_of_ingredients(medication)) if medication is not None else []
    if stated:
        return _one(stated)
    return _one(found for text in words for found in _in(text))


def _in(text: str) -> Iterator[Strength]:
    for amount, unit, volume in _PER_VOLUME.findall(text):
        yield Strength(per_ml_mg=_mg(amount, unit) / float(volume or 1))
    for amount, unit in _PER_UNIT.findall(text):
        yield Strength(per_unit_mg=_mg(amount, unit))


def _of_ingredients(medication: Resource) -> Iterator[Strength]:
    for ingredient in items(medication.get("ingredient")):
        ratio = ingredient.get("strength") if isinstance(ingredient, dict) else None
        if not isinstance(ratio, dict):
            continue
        above, below = quantity(ratio.get("numerator")), quantity(ratio.get("denominator"))
        mass = units.convert(*above, "mg") if above else None
        if mass is None or below is None or below[0] <= 0:
            continue
        volume = units.convert(*below, "mL")
        if volume is not None:
            yield Strength(per_ml_mg=mass / volume)
        elif below[1].lower() in _UNITS_OF_PRODUCT:
            yield Strength(per_unit_mg=mass / below[0])


def _one(found: Iterable[Strength]) -> Strength:
    """What all agree on: a product with two strengths in its name tells none."""
    everything = list(found)
    per_unit = {s.per_unit_mg for s in everything if s.per_unit_mg is not None}
    per_ml = {s.per_ml_mg for s in everything if s.per_ml_mg is not None}
    return Strength(
        per_unit.pop() if len(per_unit) == 1 else None, per_ml.pop() if len(per_ml) == 1 else None
    )


def _mg(amount: str, unit: str) -> float:
    mass = _MASS[unit.lower().rstrip("s") if len(unit) > 3 else unit.lower()]
    return units.convert(float(amount.replace(",", ".")), mass, "mg") or 0.0


def quantity(written: Any) -> tuple[float, str] | None:
    """Value and unit of a FHIR Quantity; None where it is bounded or not a number."""
    if not isinstance(written, dict) or written.get("comparator"):
        return None
    value = written.get("value")
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
        return None
    code, unit = str(written.get("code") or ""), str(written.get("unit") or "")
    known = code if units.convert(1.0, code, "mg") or code in ("", unit) else code or unit
    return float(value), known or unit
