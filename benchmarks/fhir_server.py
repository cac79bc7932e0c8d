"""What a FHIR server does on PostgreSQL: transactions of 50, and reads, beside HAPI's JPA server and psycopg.

All get the same bodies from the same client; each bundle is a patient of its own. HAPI is warmed with as many
bundles as are measured, and does not validate as it is set here; Isodose validates, keeps the record and
sends the event.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
import psycopg

from benchmarks import load, servers, usage
from benchmarks.data import transaction
from benchmarks.hapi import hapi
from benchmarks.report import Line

PER_BUNDLE = 50
WARMING, BUNDLES, READS = 60, 60, 400
CLIENTS = 4
PER_SECOND, TIMES_HAPI = 2000.0, 2.0


@dataclass
class Rates:
    """What one server did in a second, with one client and with four; `cpu_ms` is that of a bundle."""

    one: float
    four: float
    read: float
    search: float
    cpu_ms: float = float("nan")


def measure() -> list[Line]:
    """Resources and reads per second of one worker, with one client and with four."""
    bodies = [orjson.dumps(transaction(number)) for number in range(WARMING + 2 * BUNDLES)]
    with servers.postgresql("ours", "bare", "hapi") as urls:
        with _ours(urls["ours"]) as server:
            ours = _rates(server.port, bodies, server.pid)
        bare = _bare(urls["bare"], bodies[WARMING:])
        try:
            with hapi(urls["hapi"]) as port:
                peer, absent = _rates(port, bodies), ""
        except servers.PeerAbsent as reason:
            peer, absent = None, str(reason)
    return [*_against_bare(ours, bare), *_against_hapi(ours, peer, absent)]


@contextmanager
def _ours(url: str) -> Iterator[servers.Started]:
    with servers.directory() as place:
        log = f"sqlite:///{place / 'events.db'}"
        with servers.started("ehr_ingestion", database_url=url, event_log_url=log) as one:
            yield one


def _rates(port: int, bodies: list[bytes], pid: int = 0) -> Rates:
    load.drain(port, "/fhir", bodies[:WARMING], CLIENTS)
    before = usage.cpu_s(pid)
    one = load.drain(port, "/fhir", bodies[WARMING : WARMING + BUNDLES], 1)
    cpu_ms = 1000 * (usage.cpu_s(pid) - before) / BUNDLES
    four = load.drain(port, "/fhir", bodies[WARMING + BUNDLES :], CLIENTS)
    numbers = [n % len(bodies) for n in range(READS)]
    read = _reads(port, [f"/fhir/Condition/bench-{n}-brain" for n in numbers])
    search = _reads(port, [f"/fhir/Condition?patient=bench-{n}&_count=10" for n in numbers[: len(bodies)]])
    return Rates(PER_BUNDLE * one, PER_BUNDLE * four, read, search, cpu_ms)


def _reads(port: int, paths: list[str]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin = time.perf_counter()
    for path in paths:
        connection.request("GET", path, headers={"Cache-Control": "no-cache"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} answered {answer.status}: {content[:300]!r}")
    return len(paths) / (time.perf_counter() - begin)


def _bare(url: str, bodies: list[bytes]) -> Rates:
    """Parsing and one batched insert per bundle, and reading by key, without HTTP, history or index."""
    with psycopg.connect(url.replace("+psycopg", "")) as conn:
        conn.execute("CREATE TABLE resource (type text, id text, body text, PRIMARY KEY (type, id))")
        conn.commit()
        begin = time.perf_counter()
        for body in bodies:
            entries = [entry["resource"] for entry in orjson.loads(body)["entry"]]
            rows = [(one["resourceType"], one["id"], orjson.dumps(one).decode()) for one in entries]
            with conn.cursor() as cursor:
                cursor.executemany("INSERT INTO resource VALUES (%s, %s, %s)", rows)
            conn.commit()
        written = PER_BUNDLE * len(bodies) / (time.perf_counter() - begin)
        begin = time.perf_counter()
        for n in range(READS):
            key = ("Condition", f"bench-{WARMING + n % len(bodies)}-brain")
            assert conn.execute("SELECT body FROM resource WHERE type = %s AND id = %s", key).fetchone()
        read = READS / (time.perf_counter() - begin)
    return Rates(written, written, read, read)


def _against_bare(ours: Rates, bare: Rates) -> list[Line]:
    target = f"at least {PER_SECOND:,.0f}/s"
    return [
        Line(
            what="transactions of 50, one client: resources/s",
            ours=f"{ours.one:.0f}/s ({ours.cpu_ms:.1f} ms CPU a bundle)",
            reference=f"parse + insert {bare.one:.0f}/s",
            ratio=ours.one / bare.one,
        ),
        Line(
            what="transactions of 50, four clients, one worker: resources/s",
            ours=f"{ours.four:.0f}/s",
            reference=f"parse + insert {bare.four:.0f}/s",
            ratio=ours.four / bare.four,
            target=target,
            met=ours.four >= PER_SECOND,
        ),
        Line(
            "read by id, one client", f"{ours.read:.0f}/s", f"SELECT {bare.read:.0f}/s", ours.read / bare.read
        ),
    ]


def _against_hapi(ours: Rates, peer: Rates | None, absent: str) -> list[Line]:
    compared = {
        "transactions of 50, one client: resources/s": ("one", TIMES_HAPI),
        "transactions of 50, four clients: resources/s": ("four", TIMES_HAPI),
        "read by id, one client": ("read", None),
        "search by patient, one client": ("search", None),
    }
    lines = []
    for what, (name, times) in compared.items():
        own: float = getattr(ours, name)
        theirs: float = getattr(peer, name) if peer else float("nan")
        lines.append(
            Line(
                what=f"{what}, beside HAPI",
                ours=f"{own:.0f}/s",
                reference=f"HAPI {theirs:.0f}/s" if peer else absent,
                ratio=own / theirs if peer else None,
                target=f"{times:.0f} x HAPI" if times else "",
                met=own >= times * theirs if peer and times else None,
            )
        )
    return lines
