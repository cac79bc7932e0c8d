"""A token is used once by all replicas of a service, and nobody waits for a database that is away."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from isodose.cds_hooks.replay import OwnMemory, SharedMemory, memory_of
from isodose.storage.database import Database
from isodose.storage.tables import used_token

ISS = "https://ehr.example"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def rows(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(used_token)).scalar_one())


def test_a_token_that_was_used_on_one_replica_is_refused_on_the_other(database: Database) -> None:
    clock = Clock()
    one, other = SharedMemory(database, clock), SharedMemory(database, clock)
    assert one.use(ISS, "n1", clock.now + 300)
    assert not one.use(ISS, "n1", clock.now + 300)
    assert not other.use(ISS, "n1", clock.now + 300)
    assert other.use("https://elsewhere.example", "n1", clock.now + 300)
    assert not SharedMemory(database, clock).use(ISS, "n1", clock.now + 300), "after a restart"


def test_of_many_uses_at_once_one_is_the_first(database: Database) -> None:
    replicas = [SharedMemory(database) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(lambda replica: replica.use(ISS, "n2", 5e9), replicas))
    assert sum(used) == 1


def test_what_nobody_would_believe_any_more_is_forgotten(database: Database) -> None:
    clock = Clock()
    memory = SharedMemory(database, clock)
    for number in range(3):
        memory.use(ISS, f"n{number}", clock.now + 300)
    clock.now += 1_000
    memory.use(ISS, "n9", clock.now + 300)
    assert rows(database) == 1


def test_while_the_database_is_away_the_process_remembers_for_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = SharedMemory(Database("postgresql+psycopg://nobody@127.0.0.1:9/none"))
    assert memory.use(ISS, "n1", 5e9)
    assert "memory alone" in caplog.text
    assert "n1" not in caplog.text
    assert not memory.use(ISS, "n1", 5e9)


def test_a_file_which_has_one_process_is_not_written_for_a_card(new_sqlite: Callable[[], str]) -> None:
    database = Database(new_sqlite())
    assert isinstance(memory_of(database), OwnMemory)
    assert isinstance(memory_of(None), OwnMemory)
    database.dispose()
