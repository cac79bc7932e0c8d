"""Cards from a prefetch of 50 resources, beside healthchain and a bare FastAPI echo of the same body.

healthchain reads the prefetch and decides nothing: its one card is constant.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import orjson

from benchmarks import load, peers, servers, usage
from benchmarks.data import Resource, patient_resources, searchset
from benchmarks.report import Line

PER_SECOND = 100
P99_MS = 25.0
PEAK = 300.0
TIMES_HEALTHCHAIN = 10.0
SERVICES = {
    "srs-eligibility": "eligibility_scoring",
    "are-surveillance": "are_surveillance",
}


@dataclass(frozen=True)
class Measured:
    """One server with one body: latency at `PER_SECOND`, requests/s without waiting, CPU of one request."""

    latency: load.Latency
    rate: float
    cpu_ms: float = float("nan")


def measure(seconds: float = 6.0) -> list[Line]:
    """Latency at 100 requests/s, and requests/s without waiting, for each patient-view service."""
    lines: list[Line] = []
    bodies: dict[str, bytes] = {}
    ours: dict[str, Measured] = {}
    for card_service, service in SERVICES.items():
        with servers.started(service) as server:
            body = orjson.dumps(request(1, _templates(server.port, card_service)))
            path = f"/cds-services/{card_service}"
            ours[card_service] = _measured(server.port, path, body, seconds, server.pid)
            bodies[card_service] = body
    with servers.echo() as port:
        bare = {name: _measured(port, "/", body, seconds / 2) for name, body in bodies.items()}
    for name, one in ours.items():
        lines += _lines(name, one, bare[name])
    return lines + _beside_healthchain(ours, bodies, seconds)


def _measured(port: int, path: str, body: bytes, seconds: float, pid: int = 0) -> Measured:
    rate, cpu_ms = _most(port, path, body, seconds, pid)
    latency = load.at_rate(port, path, body, per_second=PER_SECOND, seconds=seconds)
    return Measured(latency, rate, cpu_ms)


def request(number: int, templates: dict[str, str]) -> Resource:
    """A patient-view call in which everything the service may want is prefetched."""
    resources = patient_resources(number)
    prefetch: Resource = {}
    for key, template in templates.items():
        kind = template.split("?")[0].split("/")[0]
        matching = [resource for resource in resources if resource["resourceType"] == kind]
        prefetch[key] = matching[0] if kind == "Patient" else searchset(matching)
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid.UUID(int=number)),
        "context": {"userId": "Practitioner/bench", "patientId": f"bench-{number}"},
        "prefetch": prefetch,
    }


def _templates(port: int, card_service: str) -> dict[str, str]:
    discovered = orjson.loads(load.get(port, "/cds-services"))["services"]
    return next(one["prefetch"] for one in discovered if one["id"] == card_service)


def _lines(what: str, ours: Measured, bare: Measured) -> list[Line]:
    return [
        _latency(what, "p50", ours.latency.p50, bare.latency.p50, None),
        _latency(what, "p99", ours.latency.p99, bare.latency.p99, P99_MS),
        Line(
            what=f"{what}: requests/s of one worker, at most",
            ours=f"{ours.rate:.0f}/s ({ours.cpu_ms:.1f} ms CPU each)",
            reference=f"echo {bare.rate:.0f}/s",
            ratio=ours.rate / bare.rate,
            target=f"at least {PEAK:.0f}/s",
            met=ours.rate >= PEAK,
        ),
    ]


def _latency(what: str, name: str, ours: float, bare: float, target: float | None) -> Line:
    return Line(
        what=f"{what}: {name} at {PER_SECOND}/s",
        ours=f"{ours:.1f} ms",
        reference=f"echo {bare:.1f} ms",
        ratio=ours / bare,
        target="" if target is None else f"under {target:.0f} ms",
        met=None if target is None else ours < target,
    )


def _beside_healthchain(ours: dict[str, Measured], bodies: dict[str, bytes], seconds: float) -> list[Line]:
    try:
        with peers.healthchain() as peer:
            theirs = {
                name: _most(peer.port, peers.READ, body, seconds, peer.pid) for name, body in bodies.items()
            }
    except servers.PeerAbsent as reason:
        return [
            Line(f"{name}: requests/s", f"{one.rate:.0f}/s", str(reason), None) for name, one in ours.items()
        ]
    return [
        Line(
            what=f"{name}: requests/s, beside healthchain",
            ours=f"{one.rate:.0f}/s",
            reference=f"healthchain {theirs[name][0]:.0f}/s ({theirs[name][1]:.0f} ms CPU each)",
            ratio=one.rate / theirs[name][0],
            target=f"{TIMES_HEALTHCHAIN:.0f} x healthchain",
            met=one.rate >= TIMES_HEALTHCHAIN * theirs[name][0],
        )
        for name, one in ours.items()
    ]


def _most(port: int, path: str, body: bytes, seconds: float, pid: int) -> tuple[float, float]:
    """Requests/s by clients that never wait, and CPU milliseconds of one, after a second of warming."""
    load.throughput(port, path, body, seconds=1.0)
    before = usage.cpu_s(pid)
    rate = load.throughput(port, path, body, seconds=seconds / 2)
    return rate, 1000 * (usage.cpu_s(pid) - before) / max(1.0, rate * seconds / 2)
