"""Where two JSON texts of one resource differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` is a FHIRPath; None stands for what is absent."""

    path: str
    stored: Any
    again: Any


def differences(stored: Any, again: Any, path: str) -> Iterator[Difference]:
    """The elements that are not the same in both, the deepest that tell it."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for name in dict.fromkeys([*stored, *again]):
            yield from differences(stored.get(name), again.get(name), f"{path}.{name}")
    elif isinstance(stored, list) and isinstance(again, list):
        for index in range(max(len(stored), len(again))):
            one, other = (part[index] if index < len(part) else None for part in (stored, again))
            yield from differences(one, other, f"{path}[{index}]")
    elif json.dumps(stored) != json.dumps(again):
        yield Difference(path, stored, again)
