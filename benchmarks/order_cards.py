"""Cards at signing with 300 medication resources in prefetch, against a bare FastAPI echo of the same body.

Two bodies: a draft that meets nothing, as most do, and a steroid that meets a checkpoint inhibitor. The CPU
time of one call, measured in this process, tells what the machine's other work hides in the latency.
"""

from __future__ import annotations

import time
import uuid

import orjson

from benchmarks import data, load, servers
from benchmarks.data import Resource, searchset
from benchmarks.report import Line
from ici_steroid_alerts import cards, knowledge
from isodose.cds_hooks.models import HookRequest, encode_cards
from isodose.cds_hooks.prefetch import PrefetchReader
from isodose.cds_hooks.router import answer
from isodose.clinical.timeline import DAY
from isodose.settings import CANONICAL_BASE, Settings

PER_SECOND = 50
P99_MS = 30.0
SERVICE = "ici-steroid-sign"
TODAY = Settings(demonstration_day="2026-11-23").today()
CYCLE_DAYS, STEPS, OTHERS = 21, 60, 140
DRAFTS = {"levetiracetam": ("114477", 500.0), "dexamethasone": ("3264", 8.0)}


def measure(seconds: float = 4.0) -> list[Line]:
    """Latency at 50 requests/s and CPU time per call, for a draft that meets nothing and one that does."""
    lines: list[Line] = []
    with servers.isodose("ici_steroid_alerts") as port, servers.echo() as bare:
        for draft in DRAFTS:
            body = orjson.dumps(request(draft))
            path = f"/cds-services/{SERVICE}"
            load.throughput(port, path, body, seconds=1.0)
            ours = load.at_rate(port, path, body, per_second=PER_SECOND, seconds=seconds)
            theirs = load.at_rate(bare, "/", body, per_second=PER_SECOND, seconds=seconds)
            lines.append(
                Line(
                    what=f"{SERVICE}, {draft} drafted, 300 medications: p99 at {PER_SECOND}/s",
                    ours=f"{ours.p99:.1f} ms",
                    reference=f"echo {theirs.p99:.1f} ms",
                    ratio=ours.p99 / theirs.p99,
                    target=f"under {P99_MS:.0f} ms",
                    met=ours.p99 < P99_MS,
                )
            )
            lines.append(_cpu(draft, body))
    return lines


def request(draft: str) -> Resource:
    """A call at signing: 100 infusions, 60 steps of steroid, 140 other orders, one order drafted."""
    code, mg = DRAFTS[draft]
    subject = {"reference": "Patient/bench"}
    known = [_given(n, subject) for n in range(300 - STEPS - OTHERS)]
    known += [_order(f"s{n}", "3264", 4.0, 30 + 5 * n, "completed") for n in range(STEPS)]
    known += [_order(f"o{n}", "6809", 500.0, n, "active") for n in range(OTHERS)]
    drafted = _order("draft", code, mg, 0, "draft")
    return {
        "hook": "order-sign",
        "hookInstance": str(uuid.UUID(int=1)),
        "context": {
            "userId": "Practitioner/bench",
            "patientId": "bench",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": drafted}]},
        },
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "bench", "gender": "female"},
            "medicationRequests": searchset([k for k in known if k["resourceType"] == "MedicationRequest"]),
            "medicationAdministrations": searchset(
                [k for k in known if k["resourceType"] == "MedicationAdministration"]
            ),
            "medicationDispenses": None,
            "medicationStatements": None,
            "procedures": None,
            "serviceRequests": None,
            "conditions": None,
            "observations": None,
        },
    }


def _given(number: int, subject: Resource) -> Resource:
    return {
        "resourceType": "MedicationAdministration",
        "id": f"a{number}",
        "status": "completed",
        "subject": subject,
        "medicationCodeableConcept": {"coding": [{"system": data.RXNORM, "code": "1547545"}]},
        "effectiveDateTime": (TODAY - number * CYCLE_DAYS * DAY).isoformat(),
        "dosage": {"dose": {"value": 200, "unit": "mg", "system": data.UCUM, "code": "mg"}},
    }


def _order(identity: str, code: str, mg: float, ago: int, status: str) -> Resource:
    dose = {"value": mg, "unit": "mg", "system": data.UCUM, "code": "mg"}
    repeat: Resource = {"frequency": 1, "period": 1, "periodUnit": "d"}
    if status == "completed":
        repeat["boundsPeriod"] = {
            "start": (TODAY - ago * DAY).isoformat(),
            "end": (TODAY - (ago - 4) * DAY).isoformat(),
        }
    return {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": status,
        "intent": "order",
        "subject": {"reference": "Patient/bench"},
        "medicationCodeableConcept": {
            "coding": [{"system": data.RXNORM, "code": code}],
            "text": f"drug {code}",
        },
        "authoredOn": (TODAY - ago * DAY).isoformat(),
        "dosageInstruction": [
            {
                "text": f"{mg:g} mg once daily",
                "timing": {"repeat": repeat},
                "route": {"coding": [{"system": data.SNOMED, "code": "26643006"}]},
                "doseAndRate": [{"doseQuantity": dose}],
            }
        ],
    }


def _cpu(draft: str, body: bytes, calls: int = 60) -> Line:
    """Milliseconds of CPU from the bytes of the request to those of the cards, and of reading JSON alone."""
    service = next(s for s in cards.services(knowledge.load(), CANONICAL_BASE) if s.id == SERVICE)
    reader = PrefetchReader(None, timeout_s=1.0)

    def once() -> bytes:
        asked = HookRequest.model_validate(orjson.loads(body))
        return encode_cards(answer(service, asked, reader, TODAY, lambda _: ""))

    once()
    began = time.process_time()
    for _ in range(calls):
        once()
    ours = (time.process_time() - began) / calls * 1000
    began = time.process_time()
    for _ in range(calls):
        orjson.dumps(orjson.loads(body))
    bare = (time.process_time() - began) / calls * 1000
    return Line(
        what=f"{SERVICE}, {draft} drafted, 300 medications: CPU per call",
        ours=f"{ours:.1f} ms",
        reference=f"JSON read and written {bare:.1f} ms",
        ratio=ours / bare if bare else None,
    )
