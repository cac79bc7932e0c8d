"""One decision on 200 resources: findings, options with scores, and the FHIR resources that say them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson

from all_in_one.commands.serving import settle
from benchmarks import load
from benchmarks.data import laboratory
from benchmarks.report import Line
from eligibility_scoring import app
from isodose.assessment.bundles import record_in
from isodose.assessment.decider import decide
from isodose.settings import Settings

RESOURCES = 200
RUNS = 300
P99_MS = 10.0
ON = dt.date(2026, 11, 23)
SAMPLE = Path("samples/patients/07-polymetastatic-her2-t-dm1.json")
"""Seven lesions, two drugs, facts missing: more to decide than most."""


def measure() -> list[Line]:
    """p50 and p99 of the decision, against reading the same bundle with orjson.

    Each run decides on a record of its own: what is remembered of the last one does not help.
    """
    decider = app.decider(Settings())
    sent = orjson.dumps(_bundle())
    record = record_in(orjson.loads(sent), "record")
    ours = _taken(lambda: decide(decider, msgspec.structs.replace(record), ON))
    reference = _taken(lambda: orjson.loads(sent))
    return [
        _line(name, load.quantile(ours, q) * 1000, load.quantile(reference, q) * 1000, limit)
        for name, q, limit in (("p50", 0.5, None), ("p99", 0.99, P99_MS))
    ]


def _bundle() -> dict[str, Any]:
    """The sample patient with laboratory values to make up `RESOURCES`."""
    bundle: dict[str, Any] = orjson.loads(SAMPLE.read_bytes())
    subject = {"reference": f"Patient/{bundle['id']}"}
    filler = RESOURCES - len(bundle["entry"])
    bundle["entry"] += [{"resource": laboratory(f"lab-{n}", subject, n)} for n in range(filler)]
    return bundle


def _taken(work: Callable[[], object]) -> list[float]:
    """Seconds of processor time of each run, after a few that warm up: other processes are not counted."""
    for _ in range(5):
        work()
    settle()
    taken = []
    for _ in range(RUNS):
        begin = time.thread_time()
        work()
        taken.append(time.thread_time() - begin)
    return taken


def _line(name: str, ours: float, reference: float, limit: float | None) -> Line:
    return Line(
        what=f"decision on {RESOURCES} resources, {name}",
        ours=f"{ours:.2f} ms",
        reference=f"{reference:.2f} ms, orjson.loads of the bundle",
        ratio=ours / reference,
        target=f"under {limit:g} ms" if limit else "",
        met=ours < limit if limit else None,
    )
