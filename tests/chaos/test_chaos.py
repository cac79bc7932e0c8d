"""Services, Kafka and PostgreSQL are killed at random under load: nothing is lost, nothing is done twice.

`make chaos` makes two hundred faults; CI four, by a seed that takes Kafka and PostgreSQL among them. The
state at the end is that of a run without faults, in one process on SQLite, of everything acknowledged.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import func, select

from all_in_one.app import AllInOne
from chaos.faults import Faults
from chaos.load import HEADERS, Ehr
from chaos.servers import Kafka, Postgres
from concluded import concluded, decided_on
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.storage.tables import dead_letter, outbox, resource_version
from processes import NAMES, Services, environments

STATEFUL = NAMES[:-1]
FEW = 50
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(7200)]


@pytest.fixture
def servers(deploy_script: Any, server_dir: Path) -> Iterator[dict[str, Any]]:
    """A Kafka and a PostgreSQL of this test's own, for they are killed."""
    made = {
        "kafka": Kafka(deploy_script("kafka"), server_dir / "chaos-kafka"),
        "postgresql": Postgres(deploy_script("postgres"), server_dir / "chaos-postgres"),
    }
    try:
        for server in made.values():
            server.start()
        yield made
    finally:
        for server in made.values():
            server.stop()


@pytest.fixture
def services(servers: dict[str, Any], faults: int, tmp_path: Path) -> Iterator[Services]:
    """Every service once, surveillance twice; for a few faults those alone that keep something."""
    log_url = f"kafka://127.0.0.1:{servers['kafka'].port}"
    made = environments(log_url, servers["postgresql"].new_database, {"are_surveillance": 2})
    if faults < FEW:
        made = {name: made[name] for name in STATEFUL}
    running = Services(made, tmp_path)
    try:
        running.start_all()
        yield running
    finally:
        running.stop()


def state(databases: dict[str, Database]) -> dict[str, Any]:
    return {name: (concluded(one), decided_on(one)) for name, one in databases.items()}


def without_faults(bodies: list[bytes], data_dir: Path, serving: ModuleType) -> dict[str, Any]:
    """The state after the same bundles in one process, undisturbed."""
    whole = AllInOne(Settings(data_dir=data_dir, demonstration_day=dt.date(2026, 11, 23)))
    whole.migrate()
    with serving.served(whole, whole.lifespan()) as client:
        for body in bodies:
            assert client.post("/fhir", content=body, headers=HEADERS).status_code == 200
        databases = {name: running.database for name, running in whole.running().items()}
        settled(databases)
        return state(databases)


def settled(databases: dict[str, Database], seconds: float = 300) -> None:
    """Wait until every record is decided on by all, and every result is back in the one record."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        told = {name: decided_on(one) for name, one in databases.items()}
        records = {patient: v for patient, v in told["ehr_ingestion"].items() if " " not in patient}
        wanted = {
            f"{name} {patient}": version for name in STATEFUL[1:] for patient, (version, _) in records.items()
        }
        seen = [{key: v[0] for key, v in one.items() if " " in key} for one in told.values()]
        made = {key: version for one in seen[1:] for key, version in one.items()}
        if wanted == seen[0] == made and not any(map(unpublished, databases.values())):
            return
        time.sleep(0.5)
    raise AssertionError("events are still under way")


def unpublished(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).where(outbox.c.published_at.is_(None))).scalar_one())


def set_aside(database: Database) -> list[str]:
    with database.read() as conn:
        return list(conn.execute(select(dead_letter.c.error)).scalars())


def versions(database: Database, id: str) -> int:
    with database.read() as conn:
        of_one = resource_version.c.type == "Observation", resource_version.c.id == id
        return int(conn.execute(select(func.count()).where(*of_one)).scalar_one())


def told_apart(bodies: list[bytes]) -> dict[str, int]:
    """By Observation, how often the EHR told another value than before."""
    counted: dict[str, int] = {}
    for body in bodies:
        if b"-kps-told" in body:
            id = body.partition(b'"id":"')[2].partition(b'"')[0].decode()
            counted[id] = counted.get(id, 0) + 1
    return counted


def test_the_state_after_faults_is_that_of_a_run_without(
    services: Services,
    servers: dict[str, Any],
    patients: list[Path],
    faults: int,
    seed: int,
    tmp_path: Path,
    serving: ModuleType,
) -> None:
    few = faults < FEW
    url = services.url("ehr_ingestion")
    ehrs = [Ehr(url, patients, seed * 10 + n, 0.5, 4 if few else 60) for n in range(2)]
    for ehr in ehrs:
        ehr.start()
    made = Faults(services, servers, seed, pause_s=1.0 if few else 3.0)
    made.make(faults)
    made.mend()
    for ehr in ehrs:
        ehr.enough.set()
    for ehr in ehrs:
        ehr.join(120)
        assert not ehr.is_alive()
    databases = {name: Database(services.environments[name]["ISODOSE_DATABASE_URL"]) for name in STATEFUL}
    settled(databases)
    bodies = [body for ehr in ehrs for body in ehr.sent.bodies]
    again = sum(ehr.sent.again for ehr in ehrs)
    print(
        f"{len(bodies)} bundles acknowledged, {again} sent again; faults: {dict(sorted(made.made.items()))}"
    )

    assert {name: set_aside(one) for name, one in databases.items()} == {name: [] for name in STATEFUL}
    found = state(databases)
    expected = without_faults(bodies, tmp_path / "undisturbed", serving)
    for name in STATEFUL:
        assert found[name] == expected[name], name
    for id, times in told_apart(bodies).items():
        assert versions(databases["ehr_ingestion"], id) == times
    for database in databases.values():
        database.dispose()
