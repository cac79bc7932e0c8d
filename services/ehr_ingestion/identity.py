"""The same patient under several ids: merges and unmerges that the EHR states by `Patient.link`.

What is about a replaced patient lies in the compartment of the one whose record is used, so that searches,
`$everything`, tokens and the record find it there; an unmerge takes it back. All of it is a function of the
Patients as they are now, whatever the order in which they came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import BindParameter, and_, bindparam, or_, select, tuple_, union_all, update

from isodose.fhir.belonging import names_of, owner
from isodose.fhir.errors import FhirError
from isodose.fhir.links import merges, survivors
from isodose.fhir.search_parameters import patient_of
from isodose.service import Work
from isodose.storage.tables import merged_patient, resource, search_index

_AT_ONCE = 500
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_IS_LINK = and_(
    search_index.c.type == "Patient", search_index.c.param == "link", search_index.c.system == "Patient"
)
_NEIGHBOURS = union_all(
    select(search_index.c.id, search_index.c.value).where(_IS_LINK, search_index.c.id.in_(_IDS)),
    select(search_index.c.id, search_index.c.value).where(_IS_LINK, search_index.c.value.in_(_IDS)),
    select(merged_patient.c.patient_id, merged_patient.c.survivor).where(
        or_(merged_patient.c.patient_id.in_(_IDS), merged_patient.c.survivor.in_(_IDS))
    ),
)


@dataclass(frozen=True, slots=True)
class Settled:
    """Patients whose record may differ, all locked, and those among them who were merged, with the patient
    whose record is used instead.
    """

    patients: set[str]
    survivors: Mapping[str, str]


def settled(work: Work, patient_ids: Collection[str]) -> Settled:
    """These patients, with everybody whose record may differ because of a merge or an unmerge.

    Merges are brought up to date first, and what is about these patients is put where it now belongs.
    """
    asked = set(patient_ids)
    work.records.lock(*asked)
    together: set[str] = set()
    while (wider := _linked(work, asked | together)) - together:
        work.records.lock(*wider)
        together |= wider
    if not together:
        return Settled(asked, {})
    before = work.identities.survivors(together)
    now = _survivors(work, together)
    if before != now:
        work.identities.put(together, now)
    moved = _put_in_place(work, together, now)
    differing = {one for one in together if before.get(one) != now.get(one)}
    ends = {mapping[one] for mapping in (before, now) for one in differing | asked if one in mapping}
    return Settled(asked | differing | ends | moved, now)


def _linked(work: Work, patient_ids: Collection[str]) -> set[str]:
    """Everybody whom links and merges join to one of these; nobody where there are none."""
    seen: set[str] = set()
    asked = set(patient_ids)
    while asked:
        found = _neighbours(work, asked)
        asked, seen = found - seen - asked, seen | found
    return seen


def _neighbours(work: Work, patient_ids: set[str]) -> set[str]:
    pairs = work.conn.execute(_NEIGHBOURS, {"ids": sorted(patient_ids)})
    return {one for pair in pairs for one in pair}


def _survivors(work: Work, patient_ids: set[str]) -> dict[str, str]:
    """What the Patients say now, as far as it is clear."""
    found = work.resources.get_many(("Patient", one) for one in patient_ids)
    present = [stored for stored in found.values() if not stored.deleted]
    links = [link for stored in present for link in merges(stored.resource(), work.resources.base)]
    return survivors(links, (stored.id for stored in present))


def _put_in_place(work: Work, patient_ids: set[str], now: dict[str, str]) -> set[str]:
    """Let each resource of the EHR about these patients lie with the patient whose record is used; whose
    compartments that changed.
    """
    query = select(resource.c.type, resource.c.id, resource.c.patient_id, resource.c.body).where(
        resource.c.patient_id.in_(sorted(patient_ids)),
        resource.c.origin == "ehr",
        resource.c.deleted.is_(False),
    )
    moves: dict[str, list[tuple[str, str]]] = {}
    changed: set[str] = set()
    for row in work.conn.execute(query):
        about = _about(work, row.type, row.id, row.body)
        holder = now.get(about, about) if about else row.patient_id
        if holder != row.patient_id:
            moves.setdefault(holder, []).append((row.type, row.id))
            changed |= {holder, row.patient_id}
    for holder, keys in moves.items():
        for start in range(0, len(keys), _AT_ONCE):
            these = tuple_(resource.c.type, resource.c.id).in_(keys[start : start + _AT_ONCE])
            work.conn.execute(update(resource).where(these).values(patient_id=holder))
    return changed


def _about(work: Work, kind: str, id: str, body: str) -> str | None:
    """The patient that a resource of the EHR names, by id or by an identifier."""
    data: dict[str, Any] = orjson.loads(body)
    if kind == "Patient":
        return id
    named = patient_of(kind, data, work.resources.base)
    names = names_of(kind, data) if named is None else []
    if not names:
        return named
    try:
        return owner(work.conn, names, {})
    except FhirError:
        return None
