"""Where a test runs that needs a database in which the definitions are stored already."""

from __future__ import annotations

import pytest

both = pytest.mark.parametrize(
    "database_url", ["defined", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
"""Once on SQLite, once on PostgreSQL."""


@pytest.fixture(params=["defined"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Of a new database that holds the definitions; `both` asks for others."""
    made: str = request.getfixturevalue(f"new_{request.param}")()
    return made
