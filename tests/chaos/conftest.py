"""How many faults, and which ones: `pytest tests/chaos --faults 200 --seed 1`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from chaos.faults import FEW
from chaos.network import Network


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", type=int, default=13, help="how many faults are made (13)")
    parser.addoption("--seed", type=int, default=75, help="of the chance that chooses them (75)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What waits for a minute is a part of long runs (`make chaos`) alone."""
    short = config.getoption("--faults", 13) < FEW
    return True if short and collection_path.name == "test_late_records.py" else None


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--faults", 13))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed", 75))


@pytest.fixture
def new_network(not_here: Callable[[object], None]) -> Iterator[Callable[[Sequence[str]], Network]]:
    """Makes a network of the hosts that are named."""
    made: list[Network] = []

    def make(names: Sequence[str]) -> Network:
        try:
            made.append(Network(names))
        except OSError as reason:
            not_here(f"no network of its own can be made: {reason}")
        return made[-1]

    yield make
    for network in made:
        network.close()
