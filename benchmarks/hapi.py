"""HAPI's JPA server on PostgreSQL, the peer for what a FHIR server does: that of the tests, set for speed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

from benchmarks.servers import ROOT, PeerAbsent, directory

JVM = ("-Xmx2g", "-XX:+UseParallelGC")
"""A heap it does not fill, and the compiler that makes the fastest code once it is warm."""


@contextmanager
def hapi(database_url: str) -> Iterator[int]:
    """HAPI on this database; yields its port (the base is /fhir). Raises `PeerAbsent`."""
    sys.path += [str(ROOT / "tests"), str(ROOT / "deploy" / "maven")]
    from hapi.server import start  # noqa: PLC0415 (found by the path above)
    from maven import CannotRun  # noqa: PLC0415

    url = make_url(database_url)
    jdbc = f"jdbc:postgresql://{url.host}:{url.port}/{url.database}?user={url.username}"
    with directory() as place:
        try:
            process, base = start(place / "hapi.log", wait_s=400, jvm=(*JVM, f"-Ddatabase={jdbc}"))
        except CannotRun as reason:
            raise PeerAbsent(f"HAPI: {str(reason).splitlines()[0]}") from reason
        try:
            yield int(base.split(":")[2].split("/")[0])
        finally:
            process.terminate()
            process.wait()
