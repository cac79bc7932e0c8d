"""Open pages are told which patients something changed about, by id and nothing more: server-sent events.

One look at the rows four times a second serves every page open at this replica. Each replica looks for
itself, so it does not matter which one took an event in. The id of an event is the number of the change: a
page that comes back with the last it saw misses nothing.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager

import orjson
from starlette.concurrency import run_in_threadpool

from isodose.work import Work
from worklist.shelf import Change, Shelf

LOOK_EVERY_S = 0.25
HEARTBEAT_S = 15.0
MOST_OPEN = 500
LONGEST_S = 900.0
"""After so long a page asks anew, so that an access that has ended is not told more."""
KEPT = 5_000
MOST_NAMED = 200


class TooManyError(Exception):
    """As many pages as can be served are open."""


class Changes:
    """The pages open at this replica. `leaving` tells that the process is about to stop."""

    def __init__(
        self, reading: Callable[[], AbstractContextManager[Work]], leaving: Callable[[], bool] = lambda: False
    ) -> None:
        self._reading = reading
        self._leaving = leaving
        self._pages = 0
        self._looking: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._recent: deque[Change] = deque()
        self._after = 0

    def check(self) -> None:
        """Raise `TooManyError` where no further page can be served."""
        if self._pages >= MOST_OPEN:
            raise TooManyError

    async def stream(
        self, patients: Collection[str] | None, since: int, until: float = float("inf")
    ) -> AsyncIterator[bytes]:
        """What changed after the number `since`, and goes on changing, about these patients (None: all),
        until the instant `until` at the latest.
        """
        self._pages += 1
        try:
            await self._look()
            end = time.monotonic() + min(LONGEST_S, until - time.time())
            beat = time.monotonic()
            yield b"retry: 3000\n\n"
            while not self._leaving() and (now := time.monotonic()) < end:
                moved = self._moved
                found = await self._found(since)
                since = found[-1].number if found else since
                told = [one.patient_id for one in found if patients is None or one.patient_id in patients]
                if told or now - beat > HEARTBEAT_S:
                    beat = now
                    yield _event(since, told) if told else b":\n\n"
                if not found:
                    await _wait(moved, HEARTBEAT_S / 3)
        finally:
            self._pages -= 1

    async def _found(self, since: int) -> Sequence[Change]:
        if since < self._after:
            return await run_in_threadpool(self._read, since)
        return [one for one in self._recent if one.number > since]

    def _read(self, since: int) -> Sequence[Change]:
        with self._reading() as work:
            return Shelf(work.conn).changes(since, KEPT)

    async def _look(self) -> None:
        """See to it that somebody looks while pages are open."""
        if self._looking is not None and not self._looking.done():
            return
        self._recent.clear()
        self._after = await run_in_threadpool(self._last)
        self._looking = asyncio.create_task(self._keep_looking(self._after))

    def _last(self) -> int:
        with self._reading() as work:
            return Shelf(work.conn).last()

    async def _keep_looking(self, seen: int) -> None:
        while self._pages and not self._leaving():
            found = await run_in_threadpool(self._read, seen)
            if found:
                seen = found[-1].number
                self._recent.extend(found)
                while len(self._recent) > KEPT:
                    self._after = self._recent.popleft().number
                self._wake()
            await asyncio.sleep(LOOK_EVERY_S)
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


async def _wait(moved: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(moved.wait(), seconds)
    except TimeoutError:
        return


def _event(number: int, patients: Sequence[str]) -> bytes:
    """An event as it is sent. Of many patients only that there are many."""
    listed = list(dict.fromkeys(patients))
    data = orjson.dumps({"patients": listed if len(listed) <= MOST_NAMED else None})
    return b"id: %d\ndata: %s\n\n" % (number, data)
