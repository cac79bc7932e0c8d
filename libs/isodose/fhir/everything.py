"""`Patient/{id}/$everything`: the record of one patient, what the EHR sent and what was concluded.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from urllib.parse import urlencode

import msgspec

from isodose.fhir.access import OF_ASKER
from isodose.fhir.cursor import place_in, spelled
from isodose.fhir.references import pointers, target
from isodose.fhir.search import searchset
from isodose.fhir.search_parameters import parameters
from isodose.fhir.search_query import MAX_COUNT, span, whole
from isodose.fhir.store import ResourceStore
from isodose.fhir.stored import Stored

PARAMETERS = ("start", "end", "_since", "_type", "_count")
Place = tuple[int, str, str]
_place = msgspec.json.Decoder(Place)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted of the record. `start` and `end` are the days of care, `since` is when it was written;
    `after` is the place of the last one on the page before.
    """

    types: tuple[str, ...] = ()
    since: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    count: int | None = None
    after: Place | None = None
    used: tuple[tuple[str, str], ...] = ()


def asked(query: Mapping[str, str]) -> Asked:
    """What the parameters ask for. Raises 400 for a value that is none."""
    count = query.get("_count")
    return Asked(
        types=tuple(kind for kind in query.get("_type", "").split(",") if kind),
        since=_moment(query, "_since", 0),
        start=_moment(query, "start", 0),
        end=_moment(query, "end", 1),
        count=min(whole("_count", count), MAX_COUNT) if count else None,
        after=place_in(query["_cursor"], _place) if query.get("_cursor") else None,
        used=tuple((name, query[name]) for name in PARAMETERS if query.get(name)),
    )


def everything(store: ResourceStore, patient_id: str, wanted: Asked) -> tuple[bytes, list[Stored]]:
    """A searchset Bundle and what is in it: the patient first, the compartment, and what it refers to.

    What has no day of care, such as the patient, is given whatever the days. Raises 404 and 410.
    """
    patient = store.read("Patient", patient_id)
    inside = [one for one in store.of_patient(patient_id) if not _is_apart(one, patient)]
    inside = _in_days(store, inside, wanted)
    beside = _referred(store, [patient, *inside])
    placed = [((0, "", ""), patient)]
    placed += [((1, one.type, one.id), one) for one in inside]
    placed += [((2, one.type, one.id), one) for one in beside]
    fitting = [(place, one) for place, one in placed if _fits(one, wanted)]
    left = [(place, one) for place, one in fitting if wanted.after is None or place > wanted.after]
    page = left if wanted.count is None else left[: wanted.count]
    following = spelled(page[-1][0]) if page and len(page) < len(left) else ""
    matches = [one for place, one in page if place[0] < 2]
    rest = [one for place, one in page if place[0] == 2]
    total = sum(place[0] < 2 for place, _ in fitting)
    links = _links(f"{store.base}/{patient.reference}/$everything", wanted, following)
    return searchset(store.base, matches, rest, total, links), [*matches, *rest]


def _is_apart(one: Stored, patient: Stored) -> bool:
    """The patient, who comes first, and what their token asked for, which is no part of the record."""
    return one.reference == patient.reference or one.type in OF_ASKER


def _fits(stored: Stored, wanted: Asked) -> bool:
    return (not wanted.types or stored.type in wanted.types) and (
        wanted.since is None or stored.last_updated >= wanted.since
    )


def _in_days(store: ResourceStore, inside: list[Stored], wanted: Asked) -> list[Stored]:
    """Those with a day of care in the span, and those without any."""
    if wanted.start is None and wanted.end is None:
        return inside
    first = wanted.start.timestamp() if wanted.start else float("-inf")
    last = wanted.end.timestamp() if wanted.end else float("inf")
    dated = store.dated([(one.type, one.id) for one in inside], _dates_of)

    def is_in(one: Stored) -> bool:
        days = dated.get((one.type, one.id))
        return not days or any(low <= last and high >= first for low, high in days)

    return [one for one in inside if is_in(one)]


@cache
def _dates_of(kind: str) -> frozenset[str]:
    return frozenset(name for name, one in parameters(kind).items() if one.kind == "date")


def _referred(store: ResourceStore, compartment: list[Stored]) -> list[Stored]:
    """Practitioners, organisations, medications and the like: one step outside the compartment."""
    here = {(one.type, one.id) for one in compartment}
    wanted = {
        found
        for one in compartment
        for reference in pointers(one.resource())
        if (found := target(reference, store.base)) is not None
        and found not in here
        and found[0] != "Patient"
    }
    return [
        one for _, one in sorted(store.get_many(wanted).items()) if not one.deleted and one.patient_id is None
    ]


def _links(url: str, wanted: Asked, following: str) -> list[dict[str, str]]:
    def page(cursor: str) -> str:
        pairs = [*wanted.used, *([("_cursor", cursor)] if cursor else [])]
        return url + (f"?{urlencode(pairs)}" if pairs else "")

    links = [{"relation": "self", "url": page(spelled(wanted.after) if wanted.after else "")}]
    return links + ([{"relation": "next", "url": page(following)}] if following else [])


def _moment(query: Mapping[str, str], name: str, end: int) -> datetime | None:
    value = query.get(name)
    return span(name, value)[end] if value else None
