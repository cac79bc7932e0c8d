"""The schema's version: brought up to date by Alembic, checked before a service starts.

https://alembic.sqlalchemy.org/en/latest/cookbook.html#sharing-a-connection-across-one-or-more-programmatic-migration-commands
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x150D05E


class SchemaMismatch(Exception):  # noqa: N818
    """The database's schema is not the one this code was written for."""


def upgrade(conn: Connection, revision: str = "head") -> None:
    """Bring the schema up to `revision` inside the connection's transaction, one process at a time."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, revision)


def check(conn: Connection) -> None:
    """Raise `SchemaMismatch` in one clear line unless the schema is at the newest revision."""
    found = MigrationContext.configure(conn).get_current_revision()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found == wanted:
        return
    where = conn.engine.url.render_as_string(hide_password=True)
    if found is None:
        raise SchemaMismatch(f"{where} has no Isodose schema; run `isodose migrate` (wanted: {wanted})")
    raise SchemaMismatch(f"{where} has schema {found}, this version needs {wanted}; run `isodose migrate`")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
