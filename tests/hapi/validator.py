"""HAPI's validator over many resources in one run of Java.

https://hapifhir.io/hapi-fhir/docs/validation/instance_validator.html
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from maven import Libraries, java

HERE = Path(__file__).resolve().parent
LIBRARIES = Libraries(HERE, "HAPI's validator")
JVM = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
Json = dict[str, Any]


@dataclass(frozen=True)
class Remark:
    """What the validator says of a resource: how severe, of which kind, where, in words."""

    source: str
    severity: str
    kind: str
    where: str
    words: str


def remarks(named: Sequence[tuple[str, Json]], definitions: Iterable[Json], scratch: Path) -> list[Remark]:
    """What the validator says of the resources, which come with their source. It knows R4 and `definitions`.
    Raises `CannotRun`.
    """
    LIBRARIES.fetch()
    files = []
    for url, definition in whole(definitions).items():
        files.append(scratch / f"{len(files)}-{url.rsplit('/', 1)[-1]}.json")
        files[-1].write_bytes(orjson.dumps(definition))
    command = [java(), *JVM, "-cp", LIBRARIES.classpath, str(HERE / "Validate.java"), *map(str, files)]
    lines = b"\n".join(orjson.dumps(resource) for _, resource in named)
    done = subprocess.run(command, input=lines, capture_output=True, check=False)
    *said, last = [line.split("\t") for line in done.stdout.decode().splitlines()] or [[""]]
    if done.returncode != 0 or last != ["end", str(len(named))]:
        raise AssertionError(f"the validator broke off: {done.stderr.decode()[-3000:]}")
    return [Remark(named[int(number)][0], *rest) for number, *rest in said]


def whole(definitions: Iterable[Json]) -> Mapping[str, Json]:
    """The definitions by URL; of a code system that several services publish in parts, all parts as one."""
    found: dict[str, Json] = {}
    for one in definitions:
        url, known = one["url"], found.get(one["url"])
        found[url] = one
        if known is not None and one.get("content") == "fragment":
            found[url] = one | {"concept": _once([*known["concept"], *one["concept"]])}
    return found


def _once(concepts: list[Json]) -> list[Json]:
    return list({concept["code"]: concept for concept in concepts}.values())
