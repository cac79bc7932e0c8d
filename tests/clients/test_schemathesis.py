"""schemathesis (PyPI) asks for all that the OpenAPI documents offer: nothing fails, nothing contradicts them.

SCHEMATHESIS=200 pytest tests/clients/test_schemathesis.py     as many requests to each operation; few without
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
ASKED = int(os.environ.get("SCHEMATHESIS", "0"))
ENDLESS = frozenset({"/worklist/changes"})
BASES = ("", "/eligibility", "/surveillance", "/alerts")


def operations(address: str, base: str) -> Iterator[Any]:
    """What the document of the service offers; the document of the whole has those of the others too.

    The FHIR API is the same code in each service: where few requests are made, that of one is enough.
    """
    others = tuple(f"{other}/" for other in BASES if other)
    document = schemathesis.openapi.from_url(f"{address}{base}/openapi.json")
    shared = set() if ASKED or not base else {one.path for one in operations(address, "")}
    for found in document.get_all_operations():
        offered = found.ok()
        if offered.path not in ENDLESS | shared and (base or not offered.path.startswith(others)):
            yield offered


def ask(operation: Any, mode: GenerationMode, times: int) -> None:
    """Send requests that fit what is described, or that do not, and judge the answers."""

    @settings(
        max_examples=times,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def judged(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    judged()


@pytest.mark.timeout(120 + 60 * ASKED)
@pytest.mark.parametrize("base", BASES)
def test_no_answer_contradicts_the_document(address: str, base: str) -> None:
    offered = list(operations(address, base))
    assert len(offered) > 3
    for operation in offered:
        ask(operation, GenerationMode.POSITIVE, ASKED or 10)
        if "json" in str([body.media_type for body in operation.body]):
            ask(operation, GenerationMode.NEGATIVE, (ASKED or 10) // 2)
