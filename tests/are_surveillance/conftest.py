"""What the tests of this service share: its knowledge, and records told in a few words."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from are_surveillance import knowledge
from isodose.clinical.knowledge import Knowledge


@pytest.fixture(scope="session")
def known() -> Knowledge:
    return knowledge.load()


@pytest.fixture(scope="session")
def told() -> ModuleType:
    spec = importlib.util.spec_from_file_location("surveillance_told", Path(__file__).with_name("told.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
