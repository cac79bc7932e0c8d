"""The schema brought up to date by Alembic; on PostgreSQL under services that work on it and never wait long.

A migration is an expansion, which the code before it does not notice, or a contraction, which takes away what
no code from `serves_from` on uses any more (decision 48). A statement that changes a table waits for whoever
reads it, and all others wait behind it: so it gives up after `LOCK_WAIT_S`, lets them pass, and tries again.
https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script, ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, delete, insert, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from isodose.storage.schema import WouldBreak, is_behind, revision
from isodose.storage.tables import schema_reach

LOCK_WAIT_S = 2.0
ATTEMPTS = 60
PAUSE_S = 1.0
_LOCK = 0x150D05E
_LOCK_NOT_AVAILABLE = "55P03"


def migrate(conn: Connection, migrations: Path, *, a_transaction_each: bool = False) -> None:
    """Bring the schema up to the newest of `migrations`: in the transaction of `conn`, or each step in its
    own.
    """
    config = _config(migrations)
    config.attributes["connection"] = conn
    config.attributes["a_transaction_each"] = a_transaction_each
    command.upgrade(config, "head")


def migrate_beside_traffic(url: URL, migrations: Path, *, stopped: bool) -> None:
    """Bring a PostgreSQL database to the newest of `migrations`, one process at a time; what is done stays.

    Raises `WouldBreak` where running services could not go on, unless they are `stopped`, `SchemaMismatch`
    where the schema is too new, and `OperationalError` where a table was in use all the while.
    """
    options = f"-c lock_timeout={round(LOCK_WAIT_S * 1000)}"
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"connect_timeout": 5, "options": options}, hide_parameters=True
    )
    with _turn(engine):
        with engine.connect() as conn:
            if not is_behind(conn, migrations):
                return
            if not stopped:
                _check_kept(conn, migrations)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with engine.connect() as conn:
                    migrate(conn, migrations, a_transaction_each=True)
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE or attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_S)
            else:
                return


def note_reach(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Take down in the transaction of a migration which code the schema serves from then on."""
    script = step.up_revision
    if not step.is_upgrade or not isinstance(script, Script) or ctx.connection is None:
        return
    if serves_from := getattr(script.module, "serves_from", None):
        ctx.connection.execute(delete(schema_reach))
        reach = {"revision": script.revision, "serves_from": serves_from}
        ctx.connection.execute(insert(schema_reach).values(reach))


def _check_kept(conn: Connection, migrations: Path) -> None:
    """Raise `WouldBreak` where code of the schema, which is behind, could not work on the newest of
    `migrations`.
    """
    found = revision(conn)
    if found is None:
        return
    scripts = ScriptDirectory.from_config(_config(migrations))
    ahead = [script for script in scripts.walk_revisions(found, "head") if script.revision != found]
    needed = max((getattr(script.module, "serves_from", "") for script in ahead), default="")
    if needed > found:
        raise WouldBreak(
            f"services of schema {found} cannot work on {scripts.get_current_head()}: go by way of a version "
            f"of schema {needed}, or stop the services and add --stopped"
        )


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """Asked for again and again, not waited for: an index that is built beside traffic waits for all
    statements that are under way, and this must not be one.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        while not conn.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
            time.sleep(PAUSE_S / 4)
        yield


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
