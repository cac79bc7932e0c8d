"""Where a test runs that needs a database in which the definitions are stored already."""

from __future__ import annotations

import pytest

both = pytest.mark.parametrize(
    "database_url", ["defined", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
"""Once on SQLite, once on PostgreSQL."""
