"""The two kinds of transaction that a running service opens, on a database of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from isodose.storage.database import Database
from isodose.work import Work, work_at

Opens = Callable[[], AbstractContextManager[Work]]


def transactions(database: Database) -> tuple[Opens, Opens]:
    """How to open a write transaction and a snapshot."""
    work = work_at("http://127.0.0.1/fhir")

    @contextmanager
    def writing() -> Iterator[Work]:
        with database.begin() as conn:
            yield work(conn)

    @contextmanager
    def reading() -> Iterator[Work]:
        with database.read() as conn:
            yield work(conn)

    return writing, reading
