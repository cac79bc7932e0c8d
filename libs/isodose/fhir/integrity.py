"""Refuses what would silently belong to nobody: references to a patient or a focus that is not here.

Every other relative reference may point to a resource that this server does not hold (decision 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, tuple_

from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.references import located, pointers, target
from isodose.storage.tables import resource as current

if TYPE_CHECKING:
    from isodose.fhir.store import Change

Key = tuple[str, str]
_PAGE = 500


def refuse_dangling(conn: Connection, base: str, changes: Sequence[Change]) -> None:
    """Raise 422 with the FHIRPath of each reference that must resolve and does not.

    Must resolve: a Patient, a focus of an Observation, and every `urn:`; not the other Patient of a link, who
    may come later (decision 29). Results are exempt: a decision
    service holds results on patients that only the ingesting service stores.
    """
    arriving = {(change.type, change.id) for change in changes if change.content is not None}
    wanted: set[Key] = set()
    suspects: list[Change] = []
    for change in changes:
        if change.content is None or change.origin == "result":
            continue
        needed, hopeless = _needed(change.type, change.content.data, base)
        outside = needed - arriving
        if outside or hopeless:
            wanted |= outside
            suspects.append(change)
    if not suspects:
        return
    missing = wanted - _present(conn, wanted)
    issues = [issue for change in suspects for issue in _dangling(change, missing, base)]
    if issues:
        raise FhirError(422, issues[:20])


def _needed(kind: str, data: dict[str, Any], base: str) -> tuple[set[Key], bool]:
    """What must be there, and whether something cannot be: a `urn:` that no entry of the bundle has."""
    needed: set[Key] = set()
    hopeless = False
    linked = _linked(kind, data)
    for reference in pointers(data):
        if reference.startswith("urn:"):
            hopeless = True
        elif "Patient/" in reference and reference not in linked:
            found = target(reference, base)
            if found is not None and found[0] == "Patient":
                needed.add(found)
    if kind == "Observation":
        for focus in data.get("focus", []):
            found = target(focus.get("reference", ""), base)
            if found is not None:
                needed.add(found)
    return needed, hopeless


def _linked(kind: str, data: dict[str, Any]) -> set[str]:
    """Other Patients that a Patient names as the same person."""
    links = data.get("link", []) if kind == "Patient" else []
    return {link["other"]["reference"] for link in links if link.get("other", {}).get("reference")}


def _present(conn: Connection, wanted: Iterable[Key]) -> set[Key]:
    keys = sorted(wanted)
    found: set[Key] = set()
    for start in range(0, len(keys), _PAGE):
        part = tuple_(current.c.type, current.c.id).in_(keys[start : start + _PAGE])
        statement = select(current.c.type, current.c.id).where(part, current.c.deleted.is_(False))
        found |= {(row.type, row.id) for row in conn.execute(statement)}
    return found


def _dangling(change: Change, missing: set[Key], base: str) -> Iterable[Issue]:
    assert change.content is not None
    for path, reference in located(change.content.data, change.path):
        found = target(reference, base)
        if reference.startswith("urn:"):
            said = "No entry of this bundle has this fullUrl; add it or refer by type and id."
            yield Issue("not-found", said, (path,))
        elif found in missing and (found[0] == "Patient" or ".focus[" in path):
            said = f"This {found[0]} is neither stored nor in the same bundle; send it before or with this."
            yield Issue("not-found", said, (path,))
