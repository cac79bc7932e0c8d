"""What R4 itself says of searching and summaries, built by deploy/fhir_definitions/searching.py.

https://hl7.org/fhir/R4/searchparameter-registry.html · https://hl7.org/fhir/R4/search.html#summary
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

_ALWAYS = ("resourceType", "id", "meta", "implicitRules")


class Standard(NamedTuple):
    """A search parameter of R4: its kind, its canonical address, and the types a reference may point to."""

    kind: str
    url: str
    targets: tuple[str, ...]


@cache
def standard(resource_type: str) -> dict[str, Standard]:
    """The search parameters that R4 defines for this type, those of every resource included."""
    listed = _loaded()["parameters"]
    rows = {**listed["Resource"], **listed.get(resource_type, {})}
    return {name: Standard(kind, url, tuple(targets)) for name, (kind, url, targets) in rows.items()}


@cache
def summary_elements(resource_type: str) -> frozenset[str]:
    """The elements that `_summary=true` keeps; a choice is named without its type."""
    return frozenset(_loaded()["types"].get(resource_type, {}).get("summary", ())).union(_ALWAYS)


@cache
def mandatory_elements(resource_type: str) -> frozenset[str]:
    """The elements without which the resource would not be valid."""
    return frozenset(_loaded()["types"].get(resource_type, {}).get("mandatory", ())).union(_ALWAYS)


@cache
def _loaded() -> dict[str, Any]:
    packed = files("isodose.fhir.definitions").joinpath("r4_search.json.gz").read_bytes()
    loaded: dict[str, Any] = orjson.loads(gzip.decompress(packed))
    return loaded
