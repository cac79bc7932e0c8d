"""Whose a resource is that names its patient by an identifier and not by an id: a logical reference.

https://hl7.org/fhir/R4/references.html#logical
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from isodose.fhir.errors import FhirError, Issue
from isodose.fhir.search_parameters import parameters
from isodose.storage.identities import Identities
from isodose.storage.tables import resource, search_index

Identifier = tuple[str | None, str]
_HOLDERS = (("subject",), ("patient",))


def names_of(kind: str, data: Mapping[str, Any]) -> list[tuple[str, Identifier]]:
    """The identifiers by which a resource names its patient, each with its FHIRPath: of the reference, or of
    the contained Patient that the reference points to. None where a patient is referred to by id.
    """
    found = []
    for parameter in parameters(kind).values() if kind != "Patient" else ():
        if parameter.kind != "patient" or parameter.paths[0] not in _HOLDERS:
            continue
        path = f"{kind}.{parameter.paths[0][0]}"
        for value in parameter.values(dict(data)):
            if not isinstance(value, dict) or value.get("type") not in (None, "Patient"):
                continue
            reference = value.get("reference", "")
            if reference and not reference.startswith("#"):
                return []
            people = [value] if not reference else _contained(data, reference)
            found += [(path, one) for person in people for one in _identifiers(person.get("identifier"))]
    return list(dict.fromkeys(found))


def owner(
    conn: Connection, names: Iterable[tuple[str, Identifier]], arriving: Mapping[Identifier, set[str]]
) -> str:
    """The patient, stored or arriving, who has one of these identifiers; the survivor of those merged.

    Raises 422 where nobody has one, or more than one patient does: such data would belong to nobody.
    """
    listed = list(names)
    people = _stored(conn, [name for _, name in listed])
    people |= {one for _, name in listed for one in arriving.get(name, ())}
    merged = Identities(conn).survivors(people) if people else {}
    found = {merged.get(one, one) for one in people}
    if len(found) == 1:
        return found.pop()
    said = "No patient has this identifier; send the Patient before or with this."
    if found:
        said = "More than one patient has this identifier; refer by type and id."
    code = "multiple-matches" if found else "not-found"
    raise FhirError(422, [Issue(code, said, (listed[0][0],))])


def arriving_as(people: Iterable[Mapping[str, Any]]) -> dict[Identifier, set[str]]:
    """Who comes in the same request, by identifier."""
    found: dict[Identifier, set[str]] = {}
    for person in people:
        for one in _identifiers(person.get("identifier")):
            found.setdefault(one, set()).add(person["id"])
    return found


def _stored(conn: Connection, names: list[Identifier]) -> set[str]:
    index = search_index.c
    fits = [and_(index.value == value, index.system == system) for system, value in names]
    query = select(index.id).where(index.type == "Patient", index.param == "identifier", or_(*fits))
    here = select(resource.c.id).where(resource.c.type == "Patient", resource.c.deleted.is_(False))
    return set(conn.execute(query.where(index.id.in_(here))).scalars())


def _contained(data: Mapping[str, Any], reference: str) -> list[dict[str, Any]]:
    held = [one for one in data.get("contained", []) if f"#{one.get('id')}" == reference]
    return [one for one in held if one.get("resourceType") == "Patient"]


def _identifiers(listed: Any) -> Iterator[Identifier]:
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, dict) and isinstance(one.get("value"), str) and isinstance(one.get("system"), str):
            yield one["system"], one["value"]
