"""How many faults, and which ones: `pytest tests/chaos --faults 200 --seed 1`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", type=int, default=13, help="how many faults are made (13)")
    parser.addoption("--seed", type=int, default=75, help="of the chance that chooses them (75)")


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--faults", 13))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed", 75))
