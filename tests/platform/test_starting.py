"""When a service must not start, and what it says."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from isodose.security.listening import OpenDoorError, refuse_open_door
from isodose.service import RefusalError, Running, Service, build_app, refuse
from isodose.settings import CANONICAL_BASE, Settings
from isodose.storage.database import Database
from isodose.storage.tables import resource
from isodose.telemetry import Telemetry

SERVICE = Service(name="quiet", title="Quiet", port=8099)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "isodose.hospital.example", "128.0.0.1"])
def test_without_authorisation_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(OpenDoorError, match="ISODOSE_AUTH"):
        refuse_open_door("none", host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_is_listened_on_without_authorisation(host: str) -> None:
    refuse_open_door("none", host)


def test_the_application_is_not_even_built_for_an_open_door(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match=r"quiet does not start: .*0\.0\.0\.0"):
        build_app(SERVICE, Settings(data_dir=tmp_path, host="0.0.0.0"))


def test_a_database_without_the_schema_is_refused_in_one_line(tmp_path: Path, serving: ModuleType) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(RefusalError, match="isodose migrate") as refused:
        refuse(SERVICE, settings.for_service(SERVICE.name, SERVICE.port))
    assert "\n" not in str(refused.value)
    with pytest.raises(RefusalError, match="isodose migrate"), serving.served(build_app(SERVICE, settings)):
        pass


@pytest.mark.parametrize(("times", "starts"), [(2, True), (10**9, False)])
def test_a_database_that_is_away_for_a_moment_at_the_start_is_waited_for(
    tmp_path: Path, serving: ModuleType, monkeypatch: pytest.MonkeyPatch, times: int, starts: bool
) -> None:
    settings = Settings(data_dir=tmp_path).for_service(SERVICE.name, SERVICE.port)
    database = Database(settings.database_url)
    database.migrate()
    database.dispose()
    app, away = build_app(SERVICE, settings), iter(range(times))
    schema = app.state.running.database.check_schema

    def answers_later() -> None:
        if next(away, None) is not None:
            raise OperationalError("SELECT", {}, Exception("connection timeout expired"))
        schema()

    monkeypatch.setattr(app.state.running.database, "check_schema", answers_later)
    monkeypatch.setattr(app.state.running.leaving, "wait", lambda _seconds: None)
    monkeypatch.setattr("isodose.running.OPENED_WITHIN_S", 0.1)
    if starts:
        with serving.served(app) as client:
            assert client.get("/readyz").status_code == 200
    else:
        with pytest.raises(OperationalError), serving.served(app):
            pass


def _until(ask: Callable[[], Any], status: int) -> Any:
    """The first answer with this status, within ten seconds; otherwise the last one."""
    end = time.monotonic() + 10
    while (answer := ask()).status_code != status and time.monotonic() < end:
        time.sleep(0.05)
    return answer


def test_a_running_service_says_whether_it_is_ready(tmp_path: Path, serving: ModuleType) -> None:
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.for_service("quiet", 1).database_url)
    database.migrate()
    database.dispose()
    app = build_app(SERVICE, settings)
    with serving.served(app) as client:
        assert client.get("/healthz").json() == {"service": "quiet", "status": "alive"}
        assert client.get("/readyz").status_code == 200
        with sqlite3.connect(tmp_path / "quiet.db") as other:
            other.execute("ALTER TABLE outbox RENAME TO away")
        answer = _until(lambda: client.get("/readyz"), 503)
        assert answer.json()["problems"] == ["relay failing: OperationalError"]
        with sqlite3.connect(tmp_path / "quiet.db") as other:
            other.execute("ALTER TABLE away RENAME TO outbox")
        assert _until(lambda: client.get("/readyz"), 200).json()["problems"] == []
        app.state.running.relay.stop()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["problems"]) == (503, ["relay stopped"])
        assert client.get("/healthz").status_code == 200
        assert 'isodose_outbox_unpublished{service="quiet"} 0.0' in client.get("/metrics").text


def test_a_path_that_is_not_there_is_told_as_an_operation_outcome(
    tmp_path: Path, serving: ModuleType
) -> None:
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.for_service("quiet", 1).database_url)
    database.migrate()
    database.dispose()
    with serving.served(build_app(SERVICE, settings)) as client:
        answer = client.get("/nothing/here")
        assert answer.status_code == 404
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_definitions_are_stored_when_a_service_starts_and_stay_as_they_are(
    tmp_path: Path, serving: ModuleType
) -> None:
    study = {
        "resourceType": "ResearchStudy",
        "identifier": [
            {"system": "https://isodose.example/fhir/NamingSystem/result", "value": "quiet/trial/1"}
        ],
        "title": "A trial",
        "status": "active",
    }
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.for_service("quiet", 1).database_url)
    database.migrate()
    database.dispose()
    for title, version in (("A trial", "1"), ("A trial", "1"), ("A trial renamed", "2")):
        defining = replace(SERVICE, definitions=({**study, "title": title},))
        with serving.served(build_app(defining, settings)) as client:
            (found,) = client.get("/fhir/ResearchStudy").json()["entry"]
            assert (found["resource"]["title"], found["resource"]["meta"]["versionId"]) == (title, version)


def test_replicas_that_start_together_store_the_definitions_once(database_url: str, tmp_path: Path) -> None:
    studies = tuple(
        {
            "resourceType": "ResearchStudy",
            "identifier": [{"system": f"{CANONICAL_BASE}/NamingSystem/result", "value": f"trial/{number}"}],
            "status": "active",
        }
        for number in range(50)
    )
    service = replace(SERVICE, definitions=studies)
    settings = Settings(database_url=database_url, event_log_url=f"sqlite:///{tmp_path}/events")
    replicas = [Running(service, settings, Telemetry().of("quiet")) for _ in range(3)]
    try:
        with ThreadPoolExecutor(len(replicas)) as pool:
            list(pool.map(Running.start, replicas))
        with replicas[0].reading() as work:
            mine = select(resource.c.version).where(resource.c.type == "ResearchStudy")
            rows = work.resources.conn.execute(mine).scalars().all()
        assert rows == [1] * len(studies)
    finally:
        for replica in replicas:
            replica.stop()


NEEDLESS = ("alembic", "holidays", "icalendar", "pygments", "google.protobuf", "kafka", "jinja2", "typst")
OTHERS = ("ehr_ingestion", "eligibility_scoring", "ici_steroid_alerts", "worklist")


def test_a_service_that_starts_loads_its_own_code_and_no_more() -> None:
    """Each of these takes 0.1 s to 0.5 s of a start, or 10 MB and more of a service at rest."""
    code = (
        "import sys\n"
        "from all_in_one.commands import serving\n"
        "from all_in_one.composition import SERVICES\n"
        "from isodose.service import build_app\n"
        "from isodose.settings import Settings\n"
        "settings = Settings()\n"
        "build_app(SERVICES['are_surveillance'](settings), settings)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded & {*NEEDLESS, *OTHERS} == set()
    assert "are_surveillance.decision" in loaded
