"""The schema's version: brought up to date by Alembic, checked before a service starts.

https://alembic.sqlalchemy.org/en/latest/cookbook.html#sharing-a-connection-across-one-or-more-programmatic-migration-commands
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x150D05E


class SchemaMismatch(Exception):  # noqa: N818
    """The database's schema is not the one this code was written for."""


def upgrade(conn: Connection, revision: str = "head") -> None:
    """Bring the schema up to `revision` inside the connection's transaction, one process at a time."""
    from alembic import command  # noqa: PLC0415 (a quarter of a second that only this needs)

    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, revision)


def check(conn: Connection) -> None:
    """Raise `SchemaMismatch` in one clear line unless the schema is at the newest revision."""
    found, wanted = _revision(conn), newest()
    if found == wanted:
        return
    where = conn.engine.url.render_as_string(hide_password=True)
    if found is None:
        raise SchemaMismatch(f"{where} has no Isodose schema; run `isodose migrate` (wanted: {wanted})")
    raise SchemaMismatch(f"{where} has schema {found}, this version needs {wanted}; run `isodose migrate`")


@cache
def newest() -> str:
    """The revision that this code was written for: revisions are numbered, and their files named by them."""
    return max(file.name for file in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def _revision(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
