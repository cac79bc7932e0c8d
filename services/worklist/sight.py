"""What whoever looks may see of the rows that the worklist keeps: the rights of their token, on FHIR types.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from isodose.fhir.access import Access
from isodose.fhir.exchange import ACCESS

_TYPES: Mapping[str, tuple[str, ...]] = {
    "options": ("RequestGroup", "GuidanceResponse"),
    "plans": ("ServiceRequest", "Task"),
    "alerts": ("DetectedIssue",),
}


@dataclass(frozen=True)
class Sight:
    """The parts of a row, and the patients; None is all of them."""

    parts: frozenset[str] = frozenset(_TYPES)
    patients: frozenset[str] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every need may be known."""
        return self.parts == frozenset(_TYPES)


def sight_of(request: Request) -> Sight:
    """The sight of whoever sent the request; everything where nobody has to say who they are."""
    access: Access | None = request.scope.get(ACCESS)
    if access is None:
        return Sight()
    patients = _patients(access, "Patient")
    within = {part: [_patients(access, kind) for kind in kinds] for part, kinds in _TYPES.items()}
    wide = [part for part, found in within.items() if all(_reaches(one, patients) for one in found)]
    return Sight(frozenset(wide), patients)


def _patients(access: Access, kind: str) -> frozenset[str] | None:
    """The patients whose resources of this type may be searched; None is all. A right that holds for what a
    search finds is none here, where nothing can be searched.
    """
    grants = [grant for grant in access.grants if grant.covers("s", kind) and not grant.query]
    named = frozenset(grant.patient for grant in grants if grant.patient is not None)
    return None if any(grant.patient is None for grant in grants) else named


def _reaches(rights: frozenset[str] | None, patients: frozenset[str] | None) -> bool:
    return rights is None or (patients is not None and patients <= rights and bool(patients))
