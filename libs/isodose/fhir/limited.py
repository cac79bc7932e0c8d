"""The resources as one asker may see and change them: what no grant covers is not there for it.

A resource outside the asker's compartment is answered like one that does not exist, so that nothing tells of
it: not a read, a search, a chain, an include, a history, a condition, nor a refused write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select

from isodose.fhir import search_sql
from isodose.fhir.access import OF_ASKER, Access, Grant, Right
from isodose.fhir.errors import FhirError, Issue, not_found
from isodose.fhir.reading import Key, Reading
from isodose.fhir.references import pointers, target
from isodose.fhir.search_parameters import patient_of
from isodose.fhir.search_query import parse
from isodose.fhir.store import Change, ResourceStore
from isodose.fhir.stored import Stored
from isodose.storage.identities import Identities
from isodose.storage.tables import resource as current

# Types that belong to no patient, which a patient's own token may read to understand what refers to them.
OF_NOBODY = frozenset(
    {
        "ActivityDefinition", "CodeSystem", "HealthcareService", "Library", "Location", "Medication",
        "Organization", "PlanDefinition", "Practitioner", "PractitionerRole", "Questionnaire",
        "ResearchStudy",
        "StructureDefinition", "Substance", "ValueSet",
    }
)  # fmt: skip
_RIGHTS: dict[str, Right] = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}


class LimitedStore(ResourceStore):
    """The resources of `unlimited` within the limits of `access`."""

    whole = False

    def __init__(self, unlimited: ResourceStore, access: Access) -> None:
        super().__init__(unlimited.conn, unlimited.base, unlimited.clock)
        self.unlimited = unlimited
        self.access = access
        self._survivors: dict[str, str] = {}

    @property
    def asker(self) -> Access:
        return self.access

    def require(self, right: Right, type: str | None = None) -> None:
        if type is not None:
            self.access.covering(right, type)
        elif not any(
            grant.covers(right, "*") and grant.patient is None and not grant.query
            for grant in self.access.grants
        ):
            raise FhirError(403, [Issue("forbidden", "The access token does not reach everything.")])

    def visible(self, type: str, right: Right) -> ColumnElement[bool] | None:
        grants = self.access.covering(right, type)
        if any(_unlimited(grant) for grant in grants):
            return None
        return or_(*(self._within(grant, type) for grant in grants))

    def shows(self, stored: Stored) -> bool:
        grants = [grant for grant in self.access.grants if grant.covers("r", stored.type)]
        grants += [grant for grant in self.access.grants if grant.covers("s", stored.type)]
        if any(_unlimited(grant) for grant in grants):
            return True
        if stored.deleted:
            return False
        whose = self._whose(stored.type, stored.id, stored.resource())
        return any(
            not grant.query
            and (self._known_as(whose) == grant.patient if whose is not None else stored.type in OF_NOBODY)
            for grant in grants
        )

    def get_many(self, keys: Iterable[Key], lock: bool = False) -> dict[Key, Stored]:
        found = super().get_many(keys, lock)
        allowed = self._allowed(list(found.values()), "r")
        return {key: one for key, one in found.items() if key in allowed}

    def require_seen(self, type: str, id: str) -> None:
        """Raise 404 unless the resource, deleted or not, is one that may be seen."""
        if self.get(type, id) is None:
            raise not_found(f"There is no {type} with this id.", f"{type}.id")

    def vread(self, type: str, id: str, version: str) -> Stored:
        """As of any store; a version in which the resource was another patient's is not there."""
        self.require_seen(type, id)
        found = super().vread(type, id, version)
        if not self.shows(found):
            raise not_found(f"There is no such version of this {type}.", f"{type}.meta.versionId")
        return found

    def of_patient(self, patient_id: str) -> list[Stored]:
        found = super().of_patient(patient_id)
        allowed = self._allowed(found, "r")
        return [one for one in found if (one.type, one.id) in allowed]

    def write(self, changes: Sequence[Change]) -> list[Stored]:
        """As of any store; raises 403 for what may not be written, 404 for what may not be known of."""
        changes = [self._owned(change) for change in changes]
        for change in changes:
            self._refuse_foreign(change)
        limited = [change for change in changes if not self._unlimited(change)]
        before = self.unlimited.get_many([(change.type, change.id) for change in limited], lock=True)
        for change in limited:
            self._refuse_unseen(change, before.get((change.type, change.id)))
        written = super().write(changes)
        self._refuse_outside(limited, written)
        return written

    def _owned(self, change: Change) -> Change:
        """A type that names no patient is of the one whose token writes it."""
        if change.type not in OF_ASKER or change.content is None:
            return change
        own = {grant.patient for grant in self.access.covering(_RIGHTS[change.method], change.type)}
        return change if None in own else replace(change, patient_id=own.pop())

    def _refuse_foreign(self, change: Change) -> None:
        """What is to be written must lie in a compartment that may be written to."""
        grants = self.access.covering(_RIGHTS[change.method], change.type)
        if change.content is None or any(grant.patient is None for grant in grants):
            return
        whose = (
            change.patient_id
            if change.type in OF_ASKER
            else self._whose(change.type, change.id, change.content.data)
        )
        own = {grant.patient for grant in grants}
        named = {
            found[1] for found in map(self._target, pointers(change.content.data)) if found[0] == "Patient"
        }
        if whose not in own or named - own:
            raise _outside(change)

    def _known_as(self, patient: str) -> str:
        """The patient whose record holds what is about this one: another, where the two were merged."""
        if patient not in self._survivors:
            found = Identities(self.conn).survivors([patient])
            self._survivors[patient] = found.get(patient, patient)
        return self._survivors[patient]

    def _whose(self, kind: str, id: str, data: dict[str, Any]) -> str | None:
        if kind in OF_ASKER:
            now = self.unlimited.get(kind, id)
            return now.patient_id if now is not None else None
        return id if kind == "Patient" else patient_of(kind, data, self.base)

    def _target(self, reference: str) -> Key:
        return target(reference, self.base) or ("", "")

    def _refuse_unseen(self, change: Change, before: Stored | None) -> None:
        """What is to be changed must be one that may be changed; a deleted one is nobody's any more."""
        seen = before is not None and bool(self._allowed([before], _RIGHTS[change.method]))
        if change.content is None and not seen:
            raise not_found(f"There is no {change.type} with this id.", f"{change.type}.id")
        if before is not None and not seen:
            raise _outside(change)

    def _refuse_outside(self, changes: Sequence[Change], written: Sequence[Stored]) -> None:
        """What was written must fit a search that limits the grant; the index knows that only afterwards."""
        by_key = {(one.type, one.id): one for one in written if not one.deleted}
        for change in changes:
            one = by_key.get((change.type, change.id))
            if one is not None and (one.type, one.id) not in self._allowed([one], _RIGHTS[change.method]):
                raise _outside(change)

    def _unlimited(self, change: Change) -> bool:
        return any(_unlimited(g) for g in self.access.covering(_RIGHTS[change.method], change.type))

    def _allowed(self, found: Sequence[Stored], right: Right) -> set[Key]:
        """Those that some grant covers."""
        allowed: set[Key] = set()
        searched: dict[tuple[str, Grant], list[str]] = {}
        for one in found:
            for grant in self.access.grants:
                if grant.covers(right, one.type) and _in_compartment(one, grant):
                    if grant.query:
                        searched.setdefault((one.type, grant), []).append(one.id)
                    else:
                        allowed.add((one.type, one.id))
        for (kind, grant), ids in searched.items():
            wanted = select(current.c.id).where(
                current.c.type == kind, current.c.id.in_(ids), self._within(grant, kind)
            )
            allowed |= {(kind, id) for id in self.conn.execute(wanted).scalars()}
        return allowed

    def _within(self, grant: Grant, kind: str) -> ColumnElement[bool]:
        limits: list[ColumnElement[bool]] = []
        if grant.patient is not None:
            replaced = and_(current.c.type == "Patient", current.c.id == grant.patient)
            own = or_(current.c.patient_id == grant.patient, replaced)
            limits.append(or_(own, current.c.patient_id.is_(None)) if kind in OF_NOBODY else own)
        if grant.query:
            criteria = parse(kind, grant.query, strict=True).criteria
            fitting = search_sql.matching(Reading(self.conn, self.base), kind, criteria)
            limits.append(current.c.id.in_(select(current.c.id).where(fitting).correlate(None)))
        return and_(*limits) if limits else false()


def within(store: ResourceStore, access: Access | None) -> ResourceStore:
    """The resources within this access; all of them where it is None."""
    return store if access is None else LimitedStore(store, access)


def _unlimited(grant: Grant) -> bool:
    return grant.patient is None and not grant.query


def _in_compartment(one: Stored, grant: Grant) -> bool:
    if grant.patient is None or one.patient_id == grant.patient:
        return True
    if one.type == "Patient" and one.id == grant.patient:
        return True  # merged into another, as it says; all else is in the other's record
    return one.patient_id is None and one.type in OF_NOBODY


def _outside(change: Change) -> FhirError:
    said = "The access token does not allow to write this: it lies outside of what was granted."
    return FhirError(403, [Issue("forbidden", said, (change.path or change.type,))])
