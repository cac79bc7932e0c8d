"""One suite over SQLite and PostgreSQL: transactions, the schema's version, and what never goes backwards."""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
import time
from functools import partial

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert as plain_insert
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from isodose.clinical.record import PatientRecord
from isodose.storage import schema, tables
from isodose.storage.database import Database, SchemaMismatch, insert, is_transient
from isodose.storage.records import Guidance, GuidanceStore, Records

ROW = {"group": "g", "topic": "t", "partition": 0, "next_offset": 1}


def test_a_migrated_database_has_the_tables_of_the_code(database):
    database.check_schema()
    with database.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), tables.metadata) == []


def test_the_newest_revision_is_told_by_the_names_of_the_files():
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert schema.revisions(schema.MIGRATIONS)[-1] == ScriptDirectory.from_config(config).get_current_head()


def test_migrating_again_changes_nothing(database):
    database.migrate()
    database.check_schema()


@pytest.mark.postgres
def test_postgresql_compresses_long_texts_with_lz4_where_it_can(new_postgresql):
    database = Database(new_postgresql())
    with database.read() as conn:
        offered = conn.execute(
            text("SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
        ).scalar()
        of_value = "attrelid = 'outbox'::regclass AND attname = 'value'"
        method = f"SELECT attcompression FROM pg_attribute WHERE {of_value}"
        assert conn.execute(text(method)).scalar() == ("l" if offered else "")
    database.dispose()


@pytest.mark.postgres
def test_either_end_lets_go_of_a_connection_that_the_network_took_away(new_postgresql):
    """In 25 s; without that, the dead relay's lock is held for the two hours that Linux waits by itself."""
    database = Database(new_postgresql())
    server = {"idle": "10", "interval": "5", "count": "3"}
    client = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
    with database.read() as conn:
        found = {name: conn.execute(text(f"SHOW tcp_keepalives_{name}")).scalar() for name in server}
        patience = conn.execute(text("SHOW tcp_user_timeout")).scalar()
        with socket.socket(fileno=os.dup(conn.connection.dbapi_connection.fileno())) as own:
            asked = {option: own.getsockopt(socket.IPPROTO_TCP, option) for option in client}
            waits_ms = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert (found, patience) == (server, "20000")
    assert (asked, waits_ms) == (client, 20_000)
    database.dispose()


def test_a_server_that_does_not_answer_is_away_and_no_fault():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(f"postgresql+psycopg://isodose@127.0.0.1:{silent.getsockname()[1]}/x")
        with pytest.raises(DBAPIError) as met, database.begin():
            pass
    assert is_transient(met.value)
    database.dispose()


def test_a_database_without_schema_is_refused_in_one_line_that_says_what_to_do(tmp_path):
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(SchemaMismatch, match="run `isodose migrate`") as told:
        empty.check_schema()
    assert "\n" not in str(told.value)
    empty.dispose()


def test_a_schema_of_another_version_is_refused(database):
    with database.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = 'other'"))
    with pytest.raises(SchemaMismatch, match="has schema other"):
        database.check_schema()


def test_a_database_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="use sqlite:///file or postgresql"):
        Database("mysql://host/name")


def test_a_transaction_that_raises_leaves_nothing(database):
    with pytest.raises(DBAPIError), database.begin() as conn:
        conn.execute(plain_insert(tables.consumed_position), [ROW, ROW | {"partition": 1}, ROW])
    with database.read() as conn:
        assert conn.execute(select(tables.consumed_position)).all() == []


def test_reading_refuses_to_write_and_sees_one_snapshot(database):
    with pytest.raises(DBAPIError), database.read() as conn:
        conn.execute(plain_insert(tables.consumed_position).values(ROW))
    with database.read() as conn:
        assert conn.execute(select(tables.consumed_position)).all() == []
        with database.begin() as other:
            other.execute(plain_insert(tables.consumed_position).values(ROW))
        assert conn.execute(select(tables.consumed_position)).all() == []
    with database.begin() as conn:
        assert len(conn.execute(select(tables.consumed_position)).all()) == 1


def test_one_identity_written_by_forty_at_once_is_one_row(database):
    won = []

    def write(n: int) -> None:
        with database.begin() as conn:
            statement = insert(conn, tables.consumed_position).values(ROW | {"next_offset": n})
            won.append(conn.execute(statement.on_conflict_do_nothing()).rowcount)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [0] * 39 + [1]


def test_a_mistake_is_not_taken_for_an_outage(database):
    with pytest.raises(DBAPIError) as failed, database.begin() as conn:
        conn.execute(text("SELECT * FROM no_such_table"))
    assert not is_transient(failed.value)


@pytest.mark.postgres
def test_a_server_that_is_away_is_an_outage():
    away = Database("postgresql+psycopg://isodose@127.0.0.1:1/none")
    with pytest.raises(DBAPIError) as failed, away.begin():
        pass
    assert is_transient(failed.value)
    away.dispose()


def test_an_older_record_never_overwrites_a_newer_one(database):
    for version, stored in ((3, True), (2, False), (3, False), (4, True), (1, False)):
        with database.begin() as conn:
            record = PatientRecord(patient_id="p1", version=version, birth_year=1900 + version)
            assert Records(conn).put(record) == int(stored)
    with database.read() as conn:
        records = Records(conn)
        assert records.get("p1") == PatientRecord(patient_id="p1", version=4, birth_year=1904)
        assert (records.versions(["p1", "p2"]), records.get("p2")) == ({"p1": 4}, None)
        assert list(records.ids()) == ["p1"]


def test_writers_of_one_patient_wait_for_each_other(database):
    def count_up() -> None:
        for _ in range(5):
            with database.begin() as conn:
                records = Records(conn)
                records.lock("p1")
                version = records.versions(["p1"]).get("p1", 0)
                time.sleep(0.002)
                assert records.put(PatientRecord(patient_id="p1", version=version + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as conn:
        assert Records(conn).versions(["p1"]) == {"p1": 20}


def test_bundles_that_name_the_same_patients_in_any_order_never_block_each_other(database):
    done = []

    def lock_all(*patient_ids: str) -> None:
        for _ in range(10):
            with database.begin() as conn:
                Records(conn).lock(*patient_ids)
                time.sleep(0.001)
        done.append(patient_ids)

    threads = [threading.Thread(target=lock_all, args=ids) for ids in (("a", "b", "c"), ("c", "b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 2


def decided(version: int, day: int, due: int | None = None) -> Guidance:
    due_on = None if due is None else dt.date(2026, 3, due)
    return Guidance("s", "p1", version, "k1", dt.date(2026, 3, day), f"{version}/{day}", due_on)


def test_a_decision_on_an_older_record_or_an_earlier_day_does_not_replace_a_later_one(database):
    tried = ((2, 5, True), (1, 9, False), (2, 4, False), (2, 5, True), (2, 6, True), (3, 1, True))
    for version, day, stored in tried:
        with database.begin() as conn:
            assert bool(GuidanceStore(conn).put(decided(version, day))) is stored
    with database.read() as conn:
        assert GuidanceStore(conn).get("s", "p1") == decided(3, 1)
        assert GuidanceStore(conn).get("other", "p1") is None


def test_a_patient_is_due_from_the_day_on_which_the_answer_may_change(database):
    with database.begin() as conn:
        GuidanceStore(conn).put(decided(1, 1, due=10))
    with database.read() as conn:
        store = GuidanceStore(conn)
        due = partial(store.to_renew, knowledge_version="k1", after="", limit=9)
        assert due("s", dt.date(2026, 3, 9)) == []
        assert due("s", dt.date(2026, 3, 10)) == ["p1"]
        assert due("s", dt.date(2026, 3, 30)) == ["p1"]
        assert due("other", dt.date(2026, 3, 30)) == []
