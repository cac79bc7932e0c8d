"""Ingestion of transactions of 50 over HTTP on PostgreSQL, against parsing plus a bare batched insert."""

from __future__ import annotations

import http.client
import time

import orjson
import psycopg

from benchmarks import load, servers
from benchmarks.data import transaction
from benchmarks.report import Line

TARGET = 1000.0
PER_BUNDLE = 50
BUNDLES = 60


def measure() -> list[Line]:
    """Resources per second of one worker and one client, each bundle a patient of its own."""
    bodies = [orjson.dumps(transaction(number)) for number in range(BUNDLES + 5)]
    with servers.postgresql("ours", "bare") as urls, servers.directory() as place:
        log = f"sqlite:///{place / 'events.db'}"
        with servers.isodose("ehr_ingestion", database_url=urls["ours"], event_log_url=log) as port:
            ours = _through_http(port, bodies)
        bare = _bare(urls["bare"], bodies)
    return [
        Line(
            what="ingestion, transactions of 50, PostgreSQL: resources/s",
            ours=f"{ours:.0f}/s",
            reference=f"parse + insert {bare:.0f}/s",
            ratio=ours / bare,
            target=f"at least {TARGET:.0f}/s",
            met=ours >= TARGET,
        )
    ]


def _through_http(port: int, bodies: list[bytes]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies[:5]:
        load.post(connection, "/fhir", body)
    begin = time.perf_counter()
    for body in bodies[5:]:
        load.post(connection, "/fhir", body)
    return BUNDLES * PER_BUNDLE / (time.perf_counter() - begin)


def _bare(url: str, bodies: list[bytes]) -> float:
    with psycopg.connect(url.replace("+psycopg", "")) as conn:
        conn.execute("CREATE TABLE resource (type text, id text, body text, PRIMARY KEY (type, id))")
        conn.commit()
        begin = time.perf_counter()
        for body in bodies[5:]:
            rows = [
                (
                    entry["resource"]["resourceType"],
                    entry["resource"]["id"],
                    orjson.dumps(entry["resource"]).decode(),
                )
                for entry in orjson.loads(body)["entry"]
            ]
            with conn.cursor() as cursor:
                cursor.executemany("INSERT INTO resource VALUES (%s, %s, %s)", rows)
            conn.commit()
        return BUNDLES * PER_BUNDLE / (time.perf_counter() - begin)
