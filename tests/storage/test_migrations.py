"""A schema is changed under services that work on it: what a migration may do; that it holds nobody up."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import insert, text

from isodose.storage import migrating
from isodose.storage.database import Database, SchemaMismatch
from isodose.storage.schema import MIGRATIONS, WouldBreak
from isodose.storage.tables import consumed_position
from next_schema import LATER, NEXT, NOW, SOON, written

BASELINE = "0015"
"""From this schema on services of the version before go on while a database is migrated."""
_NAME = r'"?\w+"?'
_DEFAULT = r" DEFAULT ('[^']*'|\d+|true|false)"
EXPANDING = re.compile(
    rf"CREATE TABLE {_NAME} .*"
    rf"|ALTER TABLE {_NAME} ADD COLUMN {_NAME} [\w() ]+?({_DEFAULT})?(?<! NOT NULL)"
    rf"|ALTER TABLE {_NAME} ADD COLUMN {_NAME} [\w() ]+?{_DEFAULT} NOT NULL"
    rf"|ALTER TABLE {_NAME} ALTER COLUMN {_NAME} DROP NOT NULL"
    rf"|(CREATE|DROP) INDEX CONCURRENTLY .*"
    rf"|SET lock_timeout .*|RESET lock_timeout|BEGIN|COMMIT"
)
CONTRACTING = re.compile(
    rf"DROP TABLE {_NAME}|ALTER TABLE {_NAME} DROP (COLUMN|CONSTRAINT) {_NAME}"
    rf"|ALTER TABLE {_NAME} ALTER COLUMN {_NAME} SET NOT NULL"
)


def scripts(folder: Path = MIGRATIONS) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def statements(script: Script) -> list[str]:
    """What the migration has PostgreSQL do, each statement in one line."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        script.module.upgrade()
    return [" ".join(one.split()) for one in written.getvalue().split(";") if one.strip()]


def offences(script: Script, before: str) -> list[str]:
    """What of a migration services of the version before would notice; `before` is their `serves_from`."""
    serves_from = script.module.serves_from
    contracts = serves_from > before
    found = [] if before <= serves_from <= str(script.down_revision) else [f"serves from {serves_from}"]
    made = set()
    for one in statements(script):
        made |= set(re.findall(rf"^CREATE TABLE ({_NAME})", one))
        on_new = re.match(rf"CREATE (UNIQUE )?INDEX {_NAME} ON ({_NAME})", one)
        if on_new and on_new[2] in made:
            continue
        if not EXPANDING.fullmatch(one) and not (contracts and CONTRACTING.fullmatch(one)):
            found.append(one)
    return found


def test_every_migration_lets_the_version_before_go_on() -> None:
    chain = [one for one in reversed(list(scripts().walk_revisions())) if one.revision >= BASELINE]
    assert chain[0].module.serves_from == BASELINE
    for before, script in pairwise(chain):
        assert offences(script, before.module.serves_from) == [], script.revision


def test_what_adds_alone_is_an_expansion(tmp_path: Path) -> None:
    folder = written(tmp_path / "m", NEXT)
    assert offences(scripts(folder).get_revision(SOON), NOW) == []


@pytest.mark.parametrize(
    "does",
    [
        'op.drop_column("resource", "origin")',
        'op.drop_table("job")',
        'op.execute("ALTER TABLE guidance RENAME COLUMN digest TO content")',
        'op.add_column("resource", sa.Column("colour", sa.String(8), nullable=False))',
        'op.alter_column("resource", "origin", type_=sa.Text())',
        'op.alter_column("resource", "patient_id", nullable=False)',
        'op.create_index("ix_resource_origin", "resource", ["origin"])',
        'op.create_index("ix_x", "resource", ["origin"], unique=True)',
        'op.drop_index("ix_resource_patient_id_type_id", "resource")',
        "op.execute(\"UPDATE guidance SET digest = ''\")",
        'op.execute("LOCK TABLE resource")',
    ],
)
def test_what_the_version_before_would_notice_is_none(tmp_path: Path, does: str) -> None:
    folder = written(tmp_path / "m", does)
    assert len(offences(scripts(folder).get_revision(SOON), NOW)) == 1


def test_a_contraction_follows_a_version_that_does_without(tmp_path: Path) -> None:
    folder = written(tmp_path / "m", NEXT)
    written(folder, 'op.drop_column("resource", "origin")', revision=LATER, serves_from=SOON)
    script = scripts(folder).get_revision(LATER)
    assert offences(script, NOW) == []
    assert offences(script, SOON) != [], "nothing says that code of it does without"
    written(folder, 'op.drop_column("resource", "origin")', revision=LATER, serves_from=LATER)
    assert offences(scripts(folder).get_revision(LATER), NOW) == [f"serves from {LATER}"]


def reach(database: Database) -> list[tuple[str, str]]:
    with database.read() as conn:
        return [tuple(row) for row in conn.execute(text("SELECT * FROM schema_reach"))]


def test_code_works_on_a_newer_schema_as_long_as_that_serves_it(database: Database, tmp_path: Path) -> None:
    folder = written(tmp_path / "m", NEXT)
    database.migrate(folder)
    assert reach(database) == [(SOON, NOW)]
    database.check_schema()
    database.migrate(folder)
    database.migrate()
    written(folder, 'op.drop_table("shape")', revision=LATER, serves_from=SOON)
    database.migrate(folder)
    assert reach(database) == [(LATER, SOON)]
    with pytest.raises(SchemaMismatch, match=f"serves {SOON} and later; this version is of {NOW}") as told:
        database.check_schema()
    assert "\n" not in str(told.value)


@pytest.fixture
def postgresql(new_postgresql: Callable[[], str]) -> Iterator[Database]:
    opened = Database(new_postgresql())
    yield opened
    opened.dispose()


@pytest.mark.postgres
def test_a_release_that_was_left_out_is_not_left_out_under_running_services(
    postgresql: Database, tmp_path: Path
) -> None:
    folder = written(tmp_path / "m", NEXT)
    written(folder, 'op.drop_column("outbox", "headers")', revision=LATER, serves_from=SOON)
    with pytest.raises(WouldBreak, match=f"go by way of a version of schema {SOON}"):
        postgresql.migrate(folder)
    assert reach(postgresql) == [(NOW, scripts().get_revision(NOW).module.serves_from)]
    postgresql.migrate(folder, stopped=True)
    assert reach(postgresql) == [(LATER, SOON)]


@pytest.mark.postgres
def test_a_migration_that_waits_for_a_reader_lets_writers_pass(
    postgresql: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_WAIT_S", 0.3)
    monkeypatch.setattr(migrating, "PAUSE_S", 0.1)
    folder = written(tmp_path / "m", 'op.add_column("consumed_position", sa.Column("colour", sa.String(8)))')
    done = threading.Event()

    def migrate() -> None:
        postgresql.migrate(folder)
        done.set()

    migration = threading.Thread(target=migrate)
    waited = []
    with postgresql.read() as reading:
        reading.execute(text("SELECT * FROM consumed_position"))
        migration.start()
        for partition in range(15):
            began = time.monotonic()
            with postgresql.begin() as conn:
                row = {"group": "g", "topic": "t", "partition": partition, "next_offset": 1}
                conn.execute(insert(consumed_position), row)
            waited.append(time.monotonic() - began)
            time.sleep(0.1)
        assert not done.is_set()
    migration.join(30)
    assert done.is_set()
    assert reach(postgresql) == [(SOON, NOW)]
    assert max(waited) > 0.1, "the migration never stood in the way, so this shows nothing"
    assert max(waited) < 10 * 0.3


@pytest.mark.postgres
def test_an_index_whose_building_broke_off_is_made_anew(postgresql: Database, tmp_path: Path) -> None:
    with postgresql.begin() as conn:
        conn.execute(text("CREATE INDEX ix_resource_origin ON resource (origin)"))
        conn.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_resource_origin'::regclass")
        )
    folder = written(tmp_path / "m", 'create_index_beside("ix_resource_origin", "resource", ["origin"])')
    postgresql.migrate(folder)
    with postgresql.read() as conn:
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_resource_origin'::regclass"
        assert conn.execute(text(valid)).scalar() is True
