"""The lines of an NDJSON stream, one at a time: of a file of gigabytes no more than one line is held.

https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """`end` is the place in the file after it, in bytes. `text` is None where it is longer than allowed."""

    end: int
    text: bytes | None


def lines(chunks: Iterable[bytes], start: int, longest: int) -> Iterator[Line]:
    """Every line of a stream that begins at byte `start` of its file; empty ones are among them."""
    held, end, is_too_long = bytearray(), start, False
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            end += len(held) + len(part) + 1 if not is_too_long else len(part) + 1
            yield Line(end, None if is_too_long or len(held) + len(part) > longest else _plain(held + part))
            held.clear()
            is_too_long = False
        if is_too_long or len(held) + len(rest) > longest:
            end += len(held) + len(rest)
            held.clear()
            is_too_long = True
        else:
            held += rest
    if held or is_too_long:
        yield Line(end + len(held), None if is_too_long else _plain(held))


def _plain(line: bytearray) -> bytes:
    return bytes(line).removeprefix(_MARK).strip()
