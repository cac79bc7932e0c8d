"""Where a resource points to: found fast on the way in, and told by path when one of them is wrong.

https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

LITERAL = re.compile(
    r"(?:(?P<base>https?://.+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?"
)

_REFERENCE = re.compile(rb'"reference":"([^"\\]+)"')


def pointers(resource: dict[str, Any]) -> list[str]:
    """All references, contained resources included; found in the compact text, faster than in the tree."""
    return [found.decode() for found in _REFERENCE.findall(orjson.dumps(resource))]


def located(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """(FHIRPath, reference) of every reference; slower than `pointers`, for error messages."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "reference" and isinstance(value, str):
                yield f"{path}.reference", value
            else:
                yield from located(value, f"{path}.{name}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from located(value, f"{path}[{index}]")


def relative_to(*bases: str) -> Callable[[bytes], bytes]:
    """Writes references to the servers at `bases` by type and id: what they name has that id here."""
    named = b"|".join(re.escape(base.rstrip("/").encode()) for base in bases)
    pattern = re.compile(rb'("reference"\s*:\s*")(?:' + named + b")/") if bases else None
    return lambda text: pattern.sub(rb"\1", text) if pattern else text


def target(reference: str, base: str | None = None) -> tuple[str, str] | None:
    """(type, id) of a relative reference, or of an absolute one to `base`; None for all others."""
    found = LITERAL.fullmatch(reference)
    if found is None or (found["base"] is not None and found["base"] != base):
        return None
    return found["type"], found["id"]
