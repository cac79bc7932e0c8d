"""Validation of resources by the compiled R4 definitions, against `orjson.loads` of the same bytes."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import orjson

from benchmarks.data import patient_resources, searchset
from benchmarks.report import Line
from isodose.fhir.validation import validate

ROUNDS = 15
TARGET = 4.0


def measure() -> list[Line]:
    """Per input: the median over rounds of (parse and validate) / parse, in CPU time."""
    resources = patient_resources(1)
    kinds = {resource["resourceType"]: orjson.dumps(resource) for resource in resources}
    inputs = {
        f"{len(kinds)} resources, one of each type": list(kinds.values()),
        "50-entry Bundle": [orjson.dumps(searchset(resources))],
    }
    return [_line(name, bodies) for name, bodies in inputs.items()]


def _line(name: str, bodies: list[bytes]) -> Line:
    ours, reference, ratios = [], [], []
    _validate(bodies)
    gc.disable()
    try:
        for _ in range(ROUNDS):
            reference.append(_timed(_parse, bodies))
            ours.append(_timed(_validate, bodies))
            ratios.append(ours[-1] / reference[-1])
    finally:
        gc.enable()
    ratio = statistics.median(ratios)
    return Line(
        what=f"parse and validate, {name}",
        ours=f"{statistics.median(ours) * 1e3:.2f} ms",
        reference=f"orjson.loads {statistics.median(reference) * 1e3:.2f} ms",
        ratio=ratio,
        target=f"at most {TARGET:.0f} x",
        met=ratio <= TARGET,
    )


def _parse(bodies: list[bytes]) -> None:
    for body in bodies:
        orjson.loads(body)


def _validate(bodies: list[bytes]) -> None:
    for body in bodies:
        validate(orjson.loads(body))


def _timed(work: Callable[[list[bytes]], None], bodies: list[bytes], repeats: int = 20) -> float:
    begin = time.thread_time()
    for _ in range(repeats):
        work(bodies)
    return (time.thread_time() - begin) / repeats
