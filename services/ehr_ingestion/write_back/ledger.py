"""What of the results is at the EHR: where, in which version, and what was last sent."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, select

from isodose.storage.database import insert
from isodose.storage.tables import written_back

State = Literal["written", "sending", "conflict", "refused"]
STATES: tuple[State, ...] = ("written", "sending", "conflict", "refused")
Key = tuple[str, str]
MOST_UNANSWERED = 32


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One result, or the Patient it is about. `remote` is its type and id at the EHR, empty while it has
    none; `digest` is of what was last written there, `tried` of what was last answered, `unanswered` of what
    was sent since and may have arrived. While no answer came it is `sending`. A `conflict` is somebody's
    change at the EHR, which is not overwritten; `status` is what the EHR answered last.
    """

    type: str
    id: str
    patient_id: str
    remote: str = ""
    etag: str = ""
    digest: str = ""
    tried: str = ""
    state: State = "written"
    status: int = 0
    unanswered: tuple[str, ...] = ()

    def sending(self, digest: str) -> Entry:
        """Before this is sent: it is ours should it be found there, whether or not an answer comes."""
        others = [one for one in self.unanswered if one != digest]
        state: State = "conflict" if self.state == "conflict" else "sending"
        return replace(self, state=state, unanswered=(*others, digest)[-MOST_UNANSWERED:])

    def is_ours(self, digest: str) -> bool:
        """Whether what is there was sent by us, as far as is known here."""
        return digest == self.digest or digest in self.unanswered


def of_patient(conn: Connection, patient_id: str) -> dict[Key, Entry]:
    query = select(written_back).where(written_back.c.patient_id == patient_id)
    return {(row.type, row.id): _read(row) for row in conn.execute(query)}


def get(conn: Connection, type: str, id: str) -> Entry | None:
    query = select(written_back).where(written_back.c.type == type, written_back.c.id == id)
    row = conn.execute(query).first()
    return None if row is None else _read(row)


def put(conn: Connection, entry: Entry) -> None:
    row = {name: getattr(entry, name) for name in Entry.__dataclass_fields__} | {
        "at": dt.datetime.now(dt.UTC), "unanswered": " ".join(entry.unanswered),
    }  # fmt: skip
    statement = insert(conn, written_back).values(row)
    told = {name: statement.excluded[name] for name in row if name not in ("type", "id")}
    conn.execute(statement.on_conflict_do_update(index_elements=["type", "id"], set_=told))


def unsettled(conn: Connection) -> list[Entry]:
    """What is at the EHR in another form than here: conflicts and what was refused."""
    query = select(written_back).where(written_back.c.state.in_(("conflict", "refused")))
    return [_read(row) for row in conn.execute(query.order_by(written_back.c.type, written_back.c.id))]


def counted(conn: Connection) -> dict[State, int]:
    """How many results are in each state."""
    query = select(written_back.c.state, func.count().label("many")).where(written_back.c.type != "Patient")
    found = {row.state: row.many for row in conn.execute(query.group_by(written_back.c.state))}
    return {state: found.get(state, 0) for state in STATES}


def _read(row: Row[Any]) -> Entry:
    fields = {name: getattr(row, name) for name in Entry.__dataclass_fields__}
    return Entry(**fields | {"unanswered": tuple(row.unanswered.split())})
