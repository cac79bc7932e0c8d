"""CDS cards from a prefetch of 50 resources, against a bare FastAPI echo of the same body."""

from __future__ import annotations

import uuid

import orjson

from benchmarks import load, servers
from benchmarks.data import Resource, patient_resources, searchset
from benchmarks.report import Line

PER_SECOND = 50
P99_MS = 50.0
SERVICES = {
    "srs-eligibility": "eligibility_scoring",
    "are-surveillance": "are_surveillance",
}


def measure(seconds: float = 6.0) -> list[Line]:
    """Latency at 50 requests/s, and requests/s without waiting, for each patient-view service."""
    lines: list[Line] = []
    for card_service, service in SERVICES.items():
        with servers.isodose(service) as port:
            body = orjson.dumps(request(1, _templates(port, card_service)))
            latency, rate = _measured(port, f"/cds-services/{card_service}", body, seconds)
        with servers.echo() as port:
            bare_latency, bare_rate = _measured(port, "/", body, seconds)
        lines += [
            _latency(card_service, "p50", latency.p50, bare_latency.p50, None),
            _latency(card_service, "p99", latency.p99, bare_latency.p99, P99_MS),
            Line(
                what=f"{card_service}: requests/s",
                ours=f"{rate:.0f}/s",
                reference=f"echo {bare_rate:.0f}/s",
                ratio=rate / bare_rate,
            ),
        ]
    return lines


def _measured(port: int, path: str, body: bytes, seconds: float) -> tuple[load.Latency, float]:
    load.throughput(port, path, body, seconds=1.0)
    latency = load.at_rate(port, path, body, per_second=PER_SECOND, seconds=seconds)
    return latency, load.throughput(port, path, body, seconds=seconds / 2)


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


def _latency(what: str, name: str, ours: float, bare: float, target: float | None) -> Line:
    return Line(
        what=f"{what}: {name} at {PER_SECOND}/s",
        ours=f"{ours:.1f} ms",
        reference=f"echo {bare:.1f} ms",
        ratio=ours / bare,
        target="" if target is None else f"under {target:.0f} ms",
        met=None if target is None else ours < target,
    )
