"""The live API pack of pyrofile-validator (PyPI) passes whole.

Its validator knows R4 without mCODE, so the resources it reads here claim no profile of mCODE.
"""

from __future__ import annotations

import pytest
from pyrofile_validator.api_testing import ApiTestOptions, load_builtin_api_test_plan, run_api_tests

RESOURCES = ("Patient/demo-11", "Observation/demo-11-kps-20261118")


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_scenario_of_its_r4_pack_passes(address: str, resource: str) -> None:
    kind, _, id = resource.partition("/")
    options = ApiTestOptions(inputs={"resourceType": kind, "resourceId": id, "versionId": "1"})
    report = run_api_tests(f"{address}/fhir", load_builtin_api_test_plan("base-r4"), options=options)
    assert {one.id: one.status.value for one in report.scenarios} == {
        "metadata": "PASS",
        "read": "PASS",
        "vread": "PASS",
        "search": "PASS",
        "paging": "PASS",
        "instance-history": "PASS",
        "not-found": "PASS",
        "json-negotiation": "PASS",
    }
