"""What one event costs with 1,000, 10,000 and 100,000 patients stored on PostgreSQL: it should not grow.

The code of the service takes in one patient; PostgreSQL then copies the rows it left for as many patients as
there are to be, each with ids of its own. Events are measured on patients that the code itself takes in, in
turn at each size, so that whatever else the machine does weighs on all of them alike.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Column, Table, text

from are_surveillance.app import decider
from benchmarks import servers, usage
from benchmarks.data import patient_resources, transaction
from benchmarks.report import Line
from ehr_ingestion.following import follow
from isodose.assessment import on_record_changed
from isodose.events import contract
from isodose.fhir import bundle, interactions
from isodose.fhir.resources import parse
from isodose.mcode import build_record
from isodose.settings import Settings
from isodose.storage import tables
from isodose.storage.database import Database
from isodose.work import Work, work_at

STORED = (1_000, 10_000, 100_000)
RESOURCES = 10
EVENTS, SEARCHES = 200, 400
WITHIN = 1.10
MEASURED_FROM = 1_000_000
"""Numbers of patients that are measured: beyond all that are stored."""
_OF_ONE = "bench-0"
_OF_PATIENTS = (
    tables.patient_record, tables.record_version, tables.guidance, tables.decision, tables.resource,
    tables.resource_version, tables.search_index,
)  # fmt: skip
Act = Callable[[Work, int], object]


@dataclass
class Cost:
    """Of the events at one size: CPU of the service and of its database together, and how long each took."""

    cpu_s: float = 0.0
    taken: list[float] = field(default_factory=list)

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / len(self.taken)

    @property
    def wall_ms(self) -> float:
        return 1000 * statistics.median(self.taken)


def measure() -> list[Line]:
    """CPU per event at each size, against the smallest."""
    names = {kind: [f"{kind}-{stored}" for stored in STORED] for kind in ("ingesting", "deciding")}
    decide = _decide()
    with servers.postgresql(*names["ingesting"], *names["deciding"]) as urls:
        ingesting = [
            _Clinic(urls[name], ingest, to) for name, to in zip(names["ingesting"], STORED, strict=True)
        ]
        deciding = [
            _Clinic(urls[name], decide, to) for name, to in zip(names["deciding"], STORED, strict=True)
        ]
        events = range(MEASURED_FROM, MEASURED_FROM + EVENTS)
        found = {
            f"transaction of {RESOURCES}": _costs(ingesting, ingest, events),
            "a surveillance decision": _costs(deciding, decide, events),
            "search by patient": _costs(ingesting, of_patient, range(SEARCHES)),
            "search by identifier": _costs(ingesting, by_identifier, range(SEARCHES)),
        }
    return [
        _line(what, stored, cost, costs[0])
        for what, costs in found.items()
        for stored, cost in zip(STORED, costs, strict=True)
    ]


def _costs(clinics: Sequence[_Clinic], act: Act, numbers: Sequence[int]) -> list[Cost]:
    """What each number costs at each size, one size after the other; the first ones warm the machine."""
    for number in numbers[:20]:
        for clinic in clinics:
            clinic.do(act, number)
    costs = [Cost() for _ in clinics]
    before = [usage.cpu_s(clinic.backend()) for clinic in clinics]
    for number in numbers[20:]:
        for clinic, cost in zip(clinics, costs, strict=True):
            begin, cpu = time.perf_counter(), time.thread_time()
            clinic.do(act, number)
            cost.cpu_s += time.thread_time() - cpu
            cost.taken.append(time.perf_counter() - begin)
    for clinic, cost, was in zip(clinics, costs, before, strict=True):
        cost.cpu_s += usage.cpu_s(clinic.backend()) - was
    return costs


class _Clinic:
    """One database with `stored` patients."""

    def __init__(self, url: str, act: Act, stored: int) -> None:
        self.database = Database(url)
        self.database.migrate()
        self._work = work_at("http://127.0.0.1/fhir")
        self.do(act, 0)
        with self.database.begin() as conn:
            for table in _OF_PATIENTS:
                conn.execute(text(f"CREATE TABLE of_one_{table.name} AS {_rows_of_one(table)}"))
            for table in _OF_PATIENTS:
                conn.execute(text(_copies(table)), {"last": stored - 1})
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("VACUUM ANALYZE"))
            conn.execute(text("CHECKPOINT"))

    def do(self, act: Act, number: int) -> None:
        with self.database.begin() as conn:
            act(self._work(conn), number)

    def backend(self) -> int:
        """The process of PostgreSQL that serves the one connection of this thread."""
        with self.database.begin() as conn:
            return int(conn.execute(text("SELECT pg_backend_pid()")).scalar_one())


def ingest(work: Work, number: int) -> None:
    """As a POST of a Bundle does, without HTTP."""
    answer = bundle.process(work.resources, parse(orjson.dumps(transaction(number, RESOURCES))))
    follow(work, answer.written)


def _decide() -> Act:
    handler = on_record_changed(decider(Settings(demonstration_day=dt.date(2026, 11, 23))))

    def decided(work: Work, number: int) -> None:
        resources = patient_resources(number)
        record = build_record(f"bench-{number}", resources, version=1)
        handler(work, [contract.record_changed(record)])

    return decided


def of_patient(work: Work, number: int) -> None:
    _found(work, [("patient", _measured(number)), ("_count", "20")])


def by_identifier(work: Work, number: int) -> None:
    _found(work, [("identifier", f"https://ehr.example/identifiers/condition|{_measured(number)}-brain")])


def _measured(number: int) -> str:
    return f"bench-{MEASURED_FROM + number % EVENTS}"


def _found(work: Work, pairs: list[tuple[str, str]]) -> None:
    answer = interactions.search_type(work.resources, "Condition", pairs, strict=True)
    assert b"-brain" in answer.body, pairs


def _rows_of_one(table: Table) -> str:
    """What the code left of the one patient; definitions that are the same for all are not among it."""
    if "patient_id" in table.c:
        return f"SELECT * FROM {table.name} WHERE patient_id = '{_OF_ONE}'"
    of_patient = f"SELECT type, id FROM resource WHERE patient_id = '{_OF_ONE}'"
    return f"SELECT * FROM {table.name} WHERE (type, id) IN ({of_patient})"


def _copies(table: Table) -> str:
    names = [column.name for column in table.c]
    copied = ", ".join(_copied(column) for column in table.c)
    source = f"of_one_{table.name} AS one, generate_series(1, CAST(:last AS int)) AS n"
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {copied} FROM {source} ORDER BY n"


def _copied(column: Column[object]) -> str:
    """The same value, with the name of the one patient made another's; ids of results become others too."""
    name = f"one.{column.name}"
    if column.type.python_type is not str:
        return name
    renamed = f"replace({name}, '{_OF_ONE}', 'bench-' || n)"
    if column.name != "id":
        return renamed
    return f"CASE WHEN {name} LIKE '{_OF_ONE}%' THEN {renamed} ELSE CAST(md5({name} || n) AS uuid)::text END"


def _line(what: str, stored: int, cost: Cost, first: Cost) -> Line:
    last = stored == STORED[-1]
    ratio = cost.cpu_ms / first.cpu_ms
    return Line(
        what=f"{what}, {stored:,} patients stored: CPU with the database's",
        ours=f"{cost.cpu_ms:.2f} ms (took {cost.wall_ms:.2f} ms)",
        reference=f"{first.cpu_ms:.2f} ms at {STORED[0]:,}",
        ratio=ratio,
        target=f"at most {WITHIN:.2f} x" if last else "",
        met=ratio <= WITHIN if last else None,
    )
