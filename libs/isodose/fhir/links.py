"""Which patients have been merged into which, as `Patient.link` says: pure.

https://hl7.org/fhir/R4/patient.html#links
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from isodose.fhir.references import target


class Merge(NamedTuple):
    """The record of `replaced` is no longer used; that of `survivor` is, in its place."""

    replaced: str
    survivor: str


def merges(patient: Mapping[str, Any], base: str) -> list[Merge]:
    """What a Patient says of merges. Links of type refer and seealso merge nothing: both stay in use."""
    found = []
    for link in patient.get("link", []):
        other = target(link.get("other", {}).get("reference", ""), base)
        if other is None or other[0] != "Patient":
            continue
        if link.get("type") == "replaced-by":
            found.append(Merge(patient["id"], other[1]))
        elif link.get("type") == "replaces":
            found.append(Merge(other[1], patient["id"]))
    return found


def survivors(links: Iterable[Merge], present: Iterable[str]) -> dict[str, str]:
    """Each replaced patient with the one who is used at last, who is among those present.

    Left out, and so on their own, are patients of whom the links say two things: in a circle, or merged into
    two who are not merged themselves.
    """
    here = set(present)
    onward: dict[str, set[str]] = {}
    for link in links:
        if link.survivor in here and link.survivor != link.replaced:
            onward.setdefault(link.replaced, set()).add(link.survivor)
    found = {}
    for replaced in onward:
        ahead = _ahead(replaced, onward)
        last = [one for one in ahead if one not in onward]
        if len(last) == 1 and not any(one in _ahead(one, onward) for one in {replaced, *ahead}):
            found[replaced] = last[0]
    return found


def _ahead(patient: str, onward: Mapping[str, set[str]]) -> set[str]:
    """Everybody whom the links lead to from here."""
    seen: set[str] = set()
    waiting = [patient]
    while waiting:
        for one in onward.get(waiting.pop(), ()):
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    return seen
