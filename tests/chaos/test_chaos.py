"""Processes die, ways are cut, disks are full, under load: nothing is lost, nothing is done twice.

`make chaos` makes two hundred faults; CI one of each kind. The state at the end is that of a run without
faults, in one process on SQLite, of everything acknowledged; results stand as they are here at an EHR that
is moody, and a subscriber was told of each.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chaos import arrived, ends
from chaos.faults import FEW, planned
from chaos.hosted import HostedServices, Keys, environments, replicas
from chaos.load import Ehr
from chaos.network import Network
from chaos.others import HOSTS, Others
from chaos.servers import Kafka, Postgres, Server
from chaos.site import Site
from isodose.storage.database import Database
from processes import NAMES

MOST_THREADS = 40
"""A process that was through many faults has no more; at rest it has about a dozen."""
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(7200)]


@pytest.fixture
def names(faults: int) -> list[str]:
    """Every service twice; for a few faults, those that decide once, and nobody who looks."""
    return replicas() if faults >= FEW else replicas(NAMES[:-1], NAMES[:1])


@pytest.fixture
def network(names: list[str], new_network: Callable[[Sequence[str]], Network]) -> Iterator[Network]:
    """Within, the test stands on the host of the EHR."""
    made = new_network(["ehr", *HOSTS, "kafka", "postgresql", *names])
    with made.at("ehr"):
        yield made


@pytest.fixture
def servers(deploy_script: Any, server_dir: Path, network: Network) -> Iterator[dict[str, Server]]:
    """A Kafka and a PostgreSQL of this test's own, for they are killed."""
    made: dict[str, Server] = {
        "kafka": Kafka(deploy_script("kafka"), server_dir / "chaos-kafka", network),
        "postgresql": Postgres(deploy_script("postgres"), server_dir / "chaos-postgres", network),
    }
    try:
        for server in made.values():
            server.start()
        yield made
    finally:
        for server in made.values():
            server.stop()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.made(tmp_path)


@pytest.fixture
def others(network: Network, tmp_path: Path, seed: int) -> Iterator[Others]:
    made = Others(network, tmp_path, seed)
    yield made
    made.close()


@pytest.fixture
def services(
    names: list[str], servers: dict[str, Any], network: Network, keys: Keys, others: Others, tmp_path: Path
) -> Iterator[HostedServices]:
    made = environments(names, network, servers["kafka"].url, servers["postgresql"].new_database, keys)
    for name in made:
        made[name] |= others.settings if name.startswith("ehr_ingestion") else {}
    running = HostedServices(made, tmp_path, network)
    try:
        running.start_all()
        yield running
    finally:
        running.stop()


def test_the_state_after_faults_is_that_of_a_run_without(
    services: HostedServices,
    servers: dict[str, Server],
    network: Network,
    keys: Keys,
    others: Others,
    patients: list[Path],
    faults: int,
    seed: int,
    tmp_path: Path,
    serving: ModuleType,
) -> None:
    few = faults < FEW
    urls = [services.url(name) for name in services.environments if name.startswith("ehr_ingestion")]
    admit, most = others.ehr.admit, 4 if few else 60
    ehrs = [Ehr(urls, keys.header, patients, seed * 10 + n, 0.5, most, admit) for n in range(2)]
    site = Site(services, servers, network, ehrs)
    others.subscriber.subscribe(urls[0], keys.header)
    began = time.monotonic()
    for ehr in ehrs:
        ehr.start()
    site.suffer(planned(site, faults, seed, 3.0 if few else 14.0), _pauses(seed, 1.0 if few else 3.0))
    threads = {name: services.threads(name) for name in services.environments}
    before = _sent_again(ehrs)
    if not few:
        _rolled(site, services)
    after = _sent_again(ehrs)
    for ehr in ehrs:
        ehr.enough.set()
    for ehr in ehrs:
        ehr.join(120)
        assert not ehr.is_alive()
    databases = {
        name: Database(services.environments[name]["ISODOSE_DATABASE_URL"])
        for name in services.environments
        if "#" not in name
    }
    ends.settled(databases)
    bodies = [body for ehr in ehrs for body in ehr.sent.bodies]
    _print(site, bodies, after, time.monotonic() - began)
    print(f"threads after the faults: {threads}")
    print(f"EHR and subscriber: {dict(others.moods())}; told again: {arrived.told_again(others.subscriber)}")

    assert {name: many for name, many in threads.items() if many > MOST_THREADS} == {}
    assert [said for ehr in ehrs for said in ehr.sent.refused] == []
    assert ends.errors_set_aside(databases) == []
    assert ends.left(databases) == {}
    assert ends.jobs(databases) == []
    assert ends.broken_chains(databases, keys.audit) == {}
    log_url = services.environments["ehr_ingestion"]["ISODOSE_EVENT_LOG_URL"]
    assert ends.stale_at_the_end(log_url, databases["ehr_ingestion"]) == {}
    found = ends.state(databases)
    expected = ends.without_faults(bodies, list(databases), tmp_path / "undisturbed", serving)
    for name in databases:
        assert found[name] == expected[name], name
    assert ends.versions(databases["ehr_ingestion"]) == ends.told_apart(bodies)
    records = databases["ehr_ingestion"]
    assert [*others.ehr.refused, *others.subscriber.refused] == []
    assert arrived.unsettled(records) == []
    assert arrived.wrong_at_the_ehr(records, others.ehr) == []
    assert arrived.wrongly_told(records, others.subscriber) == []
    assert after == before, "a client met an error while replicas were stopped one after the other"
    for database in databases.values():
        database.dispose()


def _pauses(seed: int, about_s: float) -> Iterator[float]:
    chance = random.Random(-seed)
    while True:
        yield chance.uniform(0.2, 2 * about_s)


def _rolled(site: Site, services: HostedServices) -> None:
    """Every replica is stopped and started, one at a time."""
    for name in services.environments:
        site.stop(name)
        site.start(name)
        services.wait_until_ready(name)
        site.welcome([name])


def _sent_again(ehrs: list[Ehr]) -> Counter[str]:
    return sum((ehr.sent.again for ehr in ehrs), Counter())


def _print(site: Site, bodies: list[bytes], again: Counter[str], seconds: float) -> None:
    print(f"\n{len(bodies)} bundles acknowledged in {seconds:.0f} s; sent again after: {dict(again)}")
    print(f"ways are cut by {site.network.said}; a disk is {site.servers['postgresql'].disk.said}")
    print(f"{site.forced} of those that were told to stop had to be killed in the end")
    for kind, many in sorted(site.made.items()):
        print(f"{many:6}  {kind}")
