"""Open pages are told what changed: in order, within what they may see, from where they left off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from isodose.storage.database import Database
from isodose.work import Work, work_at
from worklist import changes as module
from worklist.changes import Changes, TooManyError
from worklist.shelf import Shelf

Move = Callable[..., None]


@pytest.fixture
def move(database: Database) -> Move:
    """Something about these patients changes."""

    def moved(*patients: str) -> None:
        with database.begin() as conn:
            Shelf(conn).place(patients)

    return moved


@pytest.fixture
def opened(database: Database) -> Callable[..., Changes]:
    """The open pages of one more replica."""

    @contextmanager
    def reading() -> Iterator[Work]:
        with database.read() as conn:
            yield work_at("https://worklist.example/fhir")(conn)

    return lambda leaving=lambda: False: Changes(reading, leaving)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.05)


def run(told: Coroutine[Any, Any, Any]) -> Any:
    """What is told; ends once nobody looks any more."""

    async def whole() -> Any:
        found = await told
        await asyncio.sleep(0.3)
        return found

    return asyncio.run(whole())


async def events(stream: AsyncIterator[bytes], count: int) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    async for sent in stream:
        if sent.startswith(b"id: "):
            number, data = sent.decode().strip().split("\n")
            found.append((int(number[4:]), json.loads(data[6:])["patients"]))
        if len(found) == count:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    return found


def test_a_page_is_told_what_it_missed_and_then_what_changes_at_every_replica(
    opened: Callable[..., Changes], move: Move
) -> None:
    async def told() -> list[list[tuple[int, Any]]]:
        one, other = opened(), opened()
        move("p1")
        move("p2", "p3")
        both = [asyncio.create_task(events(r.stream(None, 1), 2)) for r in (one, other)]
        await asyncio.sleep(0.3)
        move("p1")
        return await asyncio.gather(*both)

    assert run(told()) == [[(2, ["p2", "p3"]), (3, ["p1"])]] * 2


def test_a_page_of_one_patient_learns_of_no_other(opened: Callable[..., Changes], move: Move) -> None:
    async def told() -> list[tuple[int, Any]]:
        stream = opened().stream({"p2"}, 0)
        asked = asyncio.create_task(events(stream, 1))
        await asyncio.sleep(0.2)
        move("p1")
        move("p2", "p3")
        return await asked

    assert run(told()) == [(2, ["p2"])]


def test_a_page_that_was_away_too_long_for_what_is_kept_in_memory_misses_nothing(
    opened: Callable[..., Changes], move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 2)

    async def told() -> list[tuple[int, Any]]:
        replica = opened()
        watching = replica.stream(None, 0)
        await anext(watching)
        for patient in ("p1", "p2", "p3", "p4"):
            move(patient)
        await events(watching, 2)
        return await events(replica.stream(None, 0), 2)

    found = run(told())
    assert [patient for _, patients in found for patient in patients] == ["p1", "p2", "p3", "p4"]


def test_of_many_patients_only_that_there_are_many(opened: Callable[..., Changes], move: Move) -> None:
    move(*(f"p{n}" for n in range(module.MOST_NAMED + 1)))
    assert run(events(opened().stream(None, 0), 1)) == [(1, None)]


def test_pages_are_bounded_and_end_with_the_access_and_with_the_process(
    opened: Callable[..., Changes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 1)

    async def told() -> None:
        replica = opened()
        first = replica.stream(None, 0)
        await anext(first)
        with pytest.raises(TooManyError):
            replica.check()
        await first.aclose()  # type: ignore[attr-defined]
        replica.check()
        assert [sent async for sent in replica.stream(None, 0, until=0)] == [b"retry: 3000\n\n"]
        assert [sent async for sent in opened(lambda: True).stream(None, 0)] == [b"retry: 3000\n\n"]

    run(told())


def test_a_quiet_stream_shows_that_it_lives(
    opened: Callable[..., Changes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.06)

    async def told() -> bytes:
        stream = opened().stream(None, 0)
        await anext(stream)
        beat = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        return beat

    assert run(told()) == b":\n\n"
