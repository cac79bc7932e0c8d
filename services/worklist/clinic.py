"""One page of the clinic's patients, what needs action first: the rows kept here, with names from the record.

Names, and with them who is shown, are asked of the record with the token of whoever looks: one request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from isodose.work import Work
from worklist import wording
from worklist.needs import BY_CODE, EVERYONE, Need
from worklist.rows import Row
from worklist.shelf import Place, Shelf
from worklist.sight import Sight
from worklist.upstream import Found, NotTakenError, RefusedError, Upstream

Json = dict[str, Any]
Reading = Callable[[], AbstractContextManager[Work]]
SIZE = 25
_PLACE = re.compile(r"(\d{1,18})\.([A-Za-z0-9.-]{1,64})")
_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,500}")


@dataclass(frozen=True)
class Asked:
    """What the reader asked for: a need alone, a name that begins like this, and where the page begins."""

    need: str = ""
    name: str = ""
    place: str = ""

    @property
    def is_everyone(self) -> bool:
        """All patients by name, whatever their need: searched by name, or asked for as such."""
        return bool(self.name) or self.need == EVERYONE.code


@dataclass(frozen=True)
class Shown:
    """A patient with the need they are shown for."""

    need: Need
    row: Row
    name: str
    born: str


@dataclass(frozen=True)
class Page:
    """`following` is the place of the next page, if any; `counts` are patients by need; what changes after
    the number `since` is not in it.
    """

    shown: list[Shown]
    following: str
    counts: Mapping[str, int]
    since: int


@dataclass(frozen=True)
class _Kept:
    needs: list[tuple[str, Place]]
    rows: Mapping[str, Row]
    counts: Mapping[str, int]
    since: int


async def page(upstream: Upstream, reading: Reading, sight: Sight, asked: Asked) -> Page:
    """The page. Raises `AwayError` where the patients themselves cannot be read."""
    if sight.patients == frozenset():
        raise RefusedError("the access does not include patients")
    if asked.is_everyone:
        return await _by_name(upstream, reading, sight, asked)
    kept = await run_in_threadpool(_by_urgency, reading, sight, asked)
    wanted = [place.patient_id for _, place in kept.needs[:SIZE]]
    patients = await _patients(upstream, wanted)
    shown = [
        _shown(need, kept.rows, patients[place.patient_id])
        for need, place in kept.needs[:SIZE]
        if place.patient_id in patients
    ]
    last = kept.needs[SIZE - 1][1] if len(kept.needs) > SIZE else None
    return Page(shown, f"{last.weight}.{last.patient_id}" if last else "", kept.counts, kept.since)


async def _patients(upstream: Upstream, ids: Sequence[str]) -> dict[str, Json]:
    """Those of these patients whom the reader may see."""
    if not ids:
        return {}
    found = await upstream.search("record", "Patient", {"_id": ",".join(ids), "_count": str(SIZE)})
    return {str(one["id"]): one for one in found.resources if not _is_replaced(one)}


def _is_replaced(patient: Json) -> bool:
    """A Patient who was merged into another, on whom nothing is concluded any more."""
    return any(link.get("type") == "replaced-by" for link in patient.get("link", ()))


def _by_urgency(reading: Reading, sight: Sight, asked: Asked) -> _Kept:
    told = _PLACE.fullmatch(asked.place)
    after = Place(int(told[1]), told[2]) if told else None
    with reading() as work:
        shelf = Shelf(work.conn)
        needs = shelf.by_urgency(sight, asked.need, after, SIZE + 1)
        rows = shelf.rows(sight, [place.patient_id for _, place in needs])
        return _Kept(needs, rows, shelf.counts(sight), shelf.last())


async def _by_name(upstream: Upstream, reading: Reading, sight: Sight, asked: Asked) -> Page:
    found = await _named(upstream, asked)
    patients = {str(one["id"]): one for one in found.resources if not _is_replaced(one)}

    def read() -> _Kept:
        with reading() as work:
            shelf = Shelf(work.conn)
            needs = shelf.most_pressing(sight, list(patients))
            listed = [(needs.get(one, EVERYONE.code), Place(0, one)) for one in patients]
            return _Kept(listed, shelf.rows(sight, list(patients)), shelf.counts(sight), shelf.last())

    kept = await run_in_threadpool(read)
    shown = [_shown(need, kept.rows, patients[place.patient_id]) for need, place in kept.needs]
    return Page(shown, found.following, kept.counts, kept.since)


async def _named(upstream: Upstream, asked: Asked) -> Found:
    query = {"_sort": "family", "_count": str(SIZE)}
    query |= {"name": asked.name.replace("\\", "").replace(",", "\\,")} if asked.name else {}
    if _CURSOR.fullmatch(asked.place):
        # A place that the record does not know is passed over, as one among the rows is.
        with suppress(NotTakenError):
            return await upstream.search("record", "Patient", query | {"_cursor": asked.place})
    return await upstream.search("record", "Patient", query)


def _shown(need: str, rows: Mapping[str, Row], patient: Json) -> Shown:
    key = str(patient["id"])
    born = str(patient.get("birthDate", ""))
    return Shown(BY_CODE[need], rows.get(key, Row(id=key)), wording.name_of(patient), born)
