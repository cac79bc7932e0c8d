"""Each service as in production, on PostgreSQL and Kafka: until it is ready, and then at rest."""

from __future__ import annotations

import time
from contextlib import ExitStack

from benchmarks import servers, usage
from benchmarks.report import Line

SERVICES = ("ehr_ingestion", "eligibility_scoring", "are_surveillance", "ici_steroid_alerts", "worklist")
READY_S = 3.0
MEMORY_MB = 200.0
REST_S = 4.0


def measure() -> list[Line]:
    """Seconds from the command to ready, and resident memory after some seconds without work."""
    lines: list[Line] = []
    with ExitStack() as stack:
        log = stack.enter_context(servers.kafka())
        urls = stack.enter_context(servers.postgresql(*SERVICES))
        with servers.started_echo() as bare:
            memory = usage.resident_mb(bare.pid)
        for name in SERVICES:
            servers.migrate(name, {"ISODOSE_DATABASE_URL": urls[name]})
            settings = {"database_url": urls[name], "event_log_url": log}
            with servers.started(name, migrated=True, **settings) as one:
                time.sleep(REST_S / 2)
                before = usage.cpu_s(one.pid)
                time.sleep(REST_S / 2)
                idle = (usage.cpu_s(one.pid) - before) / (REST_S / 2)
                lines += _lines(name, one, usage.resident_mb(one.pid), idle, bare, memory)
    return lines


def _lines(
    name: str, one: servers.Started, memory: float, idle: float, bare: servers.Started, bare_memory: float
) -> list[Line]:
    return [
        Line(
            what=f"{name}: from the command to ready",
            ours=f"{one.wall_s:.1f} s ({one.cpu_s:.1f} s CPU)",
            reference=f"bare FastAPI {bare.wall_s:.1f} s ({bare.cpu_s:.1f} s CPU)",
            ratio=one.wall_s / bare.wall_s,
            target=f"under {READY_S:.0f} s",
            met=one.wall_s < READY_S,
        ),
        Line(
            what=f"{name}: resident memory at rest (CPU of one core)",
            ours=f"{memory:.0f} MB ({100 * idle:.0f}%)",
            reference=f"bare FastAPI {bare_memory:.0f} MB",
            ratio=memory / bare_memory,
            target=f"under {MEMORY_MB:.0f} MB",
            met=memory < MEMORY_MB,
        ),
    ]
