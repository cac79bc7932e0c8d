"""Which drugs a medication resource names: by its codes, else by its words; and how strong the product is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from isodose.clinical.terminology import Coding, Concept, Drug, codings, drugs, product_names, words_of
from isodose.mcode.chart import Chart, Resource, items
from isodose.mcode.strengths import Strength, strength_of


@dataclass(frozen=True)
class Medication:
    """What names a drug: codes, words, the name as written; the drugs found and the strength told."""

    codes: list[Coding]
    words: str
    text: str
    drugs: list[Drug]
    strength: Strength


def medication_of(chart: Chart, resource: Resource) -> Medication:
    """The drug of a resource, form and ingredients of a Medication resource included."""
    concept = resource.get("medicationCodeableConcept")
    reference = resource.get("medicationReference")
    medication = chart.at(resource, reference) if reference is not None else None
    if medication is not None:
        parts: list[Any] = [concept, medication.get("code"), medication.get("form")]
        for ingredient in items(medication.get("ingredient")):
            if isinstance(ingredient, dict):
                parts.append(ingredient.get("itemCodeableConcept"))
        return _named(parts, medication)
    if isinstance(reference, dict):
        return _named([concept, str(reference.get("display") or "")], None)
    return _by_concept(orjson.dumps(concept))


@lru_cache(maxsize=4096)
def _by_concept(written: bytes) -> Medication:
    """The same concept stands in many orders of one patient: it is looked up once."""
    return _named([orjson.loads(written)], None)


def _named(parts: list[Any], medication: Resource | None) -> Medication:
    given, words = codings(*parts), words_of(*parts)
    found = drugs(given, words) or _antineoplastic(given)
    names = [*_names(parts), *product_names(given)] if found else []
    return Medication(given, words, text_of(parts), found, strength_of(names, medication))


def _names(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield str(part.get("text") or "")
            yield from (str(c.get("display") or "") for c in items(part.get("coding")) if isinstance(c, dict))


def text_of(parts: list[Any]) -> str:
    for part in parts:
        if isinstance(part, str) and part:
            return part
        if isinstance(part, dict):
            displays = (c.get("display") for c in items(part.get("coding")) if isinstance(c, dict))
            if text := part.get("text") or next(filter(None, displays), ""):
                return str(text)
    return ""


def _antineoplastic(given: list[Coding]) -> list[Drug]:
    """Any agent of ATC group L01 counts as an anticancer drug, also one that no value set names."""
    code = next((c.code for c in given if c.system == "atc" and c.code.startswith("L01")), None)
    if code is None:
        return []
    return [Drug(Concept(display=code, role="antineoplastic", id=f"atc_{code}"), "likely")]
