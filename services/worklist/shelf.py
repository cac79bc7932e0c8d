"""The rows of the clinic page and what needs action, in the tables of the worklist.

Every write takes the next number of change and holds it until it commits: whoever has seen a number has
seen all before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, select, tuple_

from isodose.storage.database import insert
from isodose.storage.insertion import insert_rows
from isodose.storage.tables import worklist_change, worklist_need, worklist_row
from worklist.needs import BY_CODE, EVERYONE, NEEDS, weight
from worklist.rows import Alerts, Options, Plans, Row
from worklist.sight import Sight

_PARTS: Mapping[str, Any] = {"options": Options, "plans": Plans, "alerts": Alerts}
_CHANGED = "ON CONFLICT (patient_id) DO UPDATE SET changed = excluded.changed"
_COLUMNS = ("patient_id", "need", "weight", "leads")
_at, _row = worklist_need.c, worklist_row.c


class Place(NamedTuple):
    """Where a page begins: after this weight and patient."""

    weight: int
    patient_id: str


class Change(NamedTuple):
    """Something about a patient changed; the number is that of the last change."""

    number: int
    patient_id: str


@dataclass(frozen=True)
class Told:
    """What a service told of one patient: the part of the row and the needs, by code with their weights."""

    patient_id: str
    part: str
    content: Options | Plans | Alerts
    needs: Mapping[str, int]


class Shelf:
    """The rows inside the transaction of `conn`."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def place(self, patient_ids: Iterable[str]) -> None:
        """Give each patient a row, and note that something about them changed."""
        ids = sorted(set(patient_ids))
        if not ids:
            return
        number = self._next()
        insert_rows(self._conn, worklist_row, ("patient_id", "changed"), [(i, number) for i in ids], _CHANGED)
        self._settle(ids, {}, ())

    def clear(self, patient_ids: Iterable[str]) -> None:
        """Leave nothing of these patients but the note that something changed, for pages open on them."""
        ids = sorted(set(patient_ids))
        if not ids:
            return
        columns, emptied = ("patient_id", "changed"), ", ".join(f"{part} = NULL" for part in _PARTS)
        number = self._next()
        rows = [(i, number) for i in ids]
        insert_rows(self._conn, worklist_row, columns, rows, f"{_CHANGED}, {emptied}")
        self._conn.execute(delete(worklist_need).where(_at.patient_id.in_(ids)))

    def put(self, told: Sequence[Told]) -> None:
        """Keep what was told, of each patient and part once; the patients are locked by whoever writes."""
        if not told:
            return
        number, needs = self._next(), dict[str, dict[str, int]]()
        for part in _PARTS:
            rows = [(t.patient_id, _encoded(t.content), number) for t in told if t.part == part]
            columns = ("patient_id", part, "changed")
            insert_rows(self._conn, worklist_row, columns, rows, f"{_CHANGED}, {part} = excluded.{part}")
        for one in told:
            needs.setdefault(one.patient_id, {}).update(one.needs)
        gone = [(t.patient_id, need.code) for t in told for need in NEEDS if need.part == t.part]
        self._settle(sorted(needs), needs, gone)

    def _settle(
        self, ids: Sequence[str], told: Mapping[str, Mapping[str, int]], replaced: Iterable[tuple[str, str]]
    ) -> None:
        """Bring the needs of these patients up to date: those `replaced` are as `told`, others stay."""
        held = select(_at.patient_id, _at.need, _at.weight).where(_at.patient_id.in_(ids))
        gone = set(replaced)
        needs: dict[str, dict[str, int]] = {i: {EVERYONE.code: weight(EVERYONE.code)} for i in ids}
        for patient_id, need, heavy in self._conn.execute(held):
            if (patient_id, need) not in gone:
                needs[patient_id][need] = heavy
        for patient_id, added in told.items():
            needs[patient_id] |= added
        rows = [
            (patient_id, need, heavy, heavy == min(of.values()))
            for patient_id, of in needs.items()
            for need, heavy in of.items()
        ]
        self._conn.execute(delete(worklist_need).where(_at.patient_id.in_(ids)))
        insert_rows(self._conn, worklist_need, _COLUMNS, rows)

    def _next(self) -> int:
        """The next number of change, held until this transaction ends."""
        statement = insert(self._conn, worklist_change).values(id=1, last=1)
        taken = statement.on_conflict_do_update(
            index_elements=[worklist_change.c.id], set_={"last": worklist_change.c.last + 1}
        ).returning(worklist_change.c.last)
        return int(self._conn.execute(taken).scalar_one())

    def by_urgency(self, sight: Sight, need: str, after: Place | None, count: int) -> list[tuple[str, Place]]:
        """Patients with the place of each, the most pressing first: those with this need, or all under the
        most pressing need of each.
        """
        wanted: Select[Any] = select(_at.patient_id, _at.need, _at.weight).where(_visible(sight))
        wanted = wanted.where(_at.need == need) if need else wanted.where(_leading(sight))
        if after is not None:
            wanted = wanted.where(tuple_(_at.weight, _at.patient_id) > after)
        found = self._conn.execute(wanted.order_by(_at.weight, _at.patient_id).limit(count))
        return [(row.need, Place(row.weight, row.patient_id)) for row in found]

    def most_pressing(self, sight: Sight, patient_ids: Sequence[str]) -> dict[str, str]:
        """By patient, the code of the most pressing need."""
        wanted = select(_at.patient_id, _at.need).where(
            _at.patient_id.in_(patient_ids), _visible(sight), _leading(sight)
        )
        return {row.patient_id: row.need for row in self._conn.execute(wanted)}

    def rows(self, sight: Sight, patient_ids: Sequence[str]) -> dict[str, Row]:
        """The rows of these patients, with the parts that may be seen."""
        found = self._conn.execute(select(worklist_row).where(_row.patient_id.in_(patient_ids)))
        return {
            one.patient_id: Row(
                id=one.patient_id,
                **{name: _decoded(name, getattr(one, name)) for name in _PARTS if name in sight.parts},
            )
            for one in found
        }

    def counts(self, sight: Sight) -> dict[str, int]:
        """By need, how many patients have it; every patient has that of `EVERYONE`."""
        wanted = select(_at.need, func.count().label("patients")).where(_visible(sight)).group_by(_at.need)
        return {row.need: row.patients for row in self._conn.execute(wanted)}

    def last(self) -> int:
        """The number of the last change; 0 before any."""
        return self._conn.execute(select(worklist_change.c.last)).scalar() or 0

    def changes(self, after: int, count: int) -> list[Change]:
        """The last change of each patient that came after this number, in order; up to `count` of them."""
        wanted = select(_row.changed, _row.patient_id).where(_row.changed > after)
        found = self._conn.execute(wanted.order_by(_row.changed).limit(count))
        return [Change(row.changed, row.patient_id) for row in found]


def _encoded(content: Options | Plans | Alerts) -> str:
    return msgspec.json.encode(content).decode()


def _decoded(name: str, content: str | None) -> Any:
    return None if content is None else msgspec.json.decode(content, type=_PARTS[name])


def _visible(sight: Sight) -> ColumnElement[bool]:
    """The needs that the reader may know of."""
    codes = [need.code for need in BY_CODE.values() if not need.part or need.part in sight.parts]
    seen: ColumnElement[bool] = _at.need.in_(codes)
    return seen if sight.patients is None else seen & _at.patient_id.in_(sorted(sight.patients))


def _leading(sight: Sight) -> ColumnElement[bool]:
    """The most pressing of the needs that the reader may know of."""
    if sight.is_whole:
        return _at.leads
    other = worklist_need.alias()
    codes = [need.code for need in BY_CODE.values() if not need.part or need.part in sight.parts]
    lighter = (other.c.patient_id == _at.patient_id) & (other.c.weight < _at.weight) & other.c.need.in_(codes)
    return ~exists().where(lighter)
