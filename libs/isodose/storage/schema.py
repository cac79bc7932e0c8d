"""The schema's version, checked before a service starts and whenever it is asked whether it is ready.

A newer schema than the one the code was written for will do as long as it serves that code (decision 48).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from isodose.storage.tables import schema_reach

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaMismatch(Exception):  # noqa: N818
    """The database's schema is none that this code can work on."""


class WouldBreak(Exception):  # noqa: N818
    """The schema asked for does not serve the code that may be working on the present one."""


def check(conn: Connection) -> None:
    """Raise `SchemaMismatch` in one clear line unless this code can work on the schema: it is the newest that
    the code knows, or a newer one that still serves this code.
    """
    if is_behind(conn, MIGRATIONS):
        found, wanted = revision(conn), revisions(MIGRATIONS)[-1]
        what = f"schema {found}" if found else "no Isodose schema"
        said = f"has {what}, this version needs {wanted}; run `isodose migrate`"
        raise SchemaMismatch(f"{_where(conn)} {said}")


def is_behind(conn: Connection, migrations: Path) -> bool:
    """Whether the schema is older than the newest of `migrations`. Raises `SchemaMismatch` where it is newer
    and does not serve code of those.
    """
    found, known = revision(conn), revisions(migrations)
    if found is None or found in known:
        return found != known[-1]
    reach = select(schema_reach.c.serves_from).where(schema_reach.c.revision == found)
    serves_from = conn.execute(reach).scalar()
    if serves_from is None or serves_from > known[-1]:
        said = f"has schema {found}, which serves {serves_from or 'another version'} and later"
        raise SchemaMismatch(f"{_where(conn)} {said}; this version is of {known[-1]}: start a newer one")
    return False


def revision(conn: Connection) -> str | None:
    """That of the schema which is there."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def revisions(migrations: Path) -> tuple[str, ...]:
    """In their order: revisions are numbered, and their files named by them."""
    return tuple(sorted(file.name.partition("_")[0] for file in (migrations / "versions").glob("[0-9]*.py")))


def _where(conn: Connection) -> str:
    return conn.engine.url.render_as_string(hide_password=True)
