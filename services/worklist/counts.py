"""How many patients or tasks wait for each need, counted at most once a minute for each reader.

Counting is the one cost of the clinic page that grows with the clinic; nobody acts on a minute's difference.
What one reader may see is never counted for another: the token decides whose count it is, kept as a digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping

from worklist.needs import BY_CODE, Need
from worklist.upstream import AwayError, Upstream

GOOD_FOR_S = 60.0
_READERS = 500
Counted = Mapping[str, int | None]


class Counts:
    """Counts by code of the need; None where its service is away. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[float, Counted]] = {}

    async def of(self, upstream: Upstream, token: str) -> Counted:
        """The counts for the reader with this token. What was not to be had is asked for again at once."""
        reader = hashlib.sha256(token.encode()).digest()
        kept = self._kept.get(reader)
        if kept is not None and self._clock() - kept[0] < GOOD_FOR_S:
            return kept[1]
        found = await asyncio.gather(*(_count(upstream, need) for need in BY_CODE.values()))
        counted = dict(zip(BY_CODE, found, strict=True))
        self._kept.pop(reader, None)
        if None not in found:
            while len(self._kept) >= _READERS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[reader] = (self._clock(), counted)
        return counted


async def _count(upstream: Upstream, need: Need) -> int | None:
    query = {key: value for key, value in need.query.items() if key != "_sort"}
    try:
        return await upstream.count(need.service, need.kind, query)
    except AwayError:
        return None
