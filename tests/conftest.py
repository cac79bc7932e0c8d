"""Real servers for the tests: one private PostgreSQL and Kafka per session, fresh names per test."""

from __future__ import annotations

import gc
import importlib.util
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import create_engine, make_url, text

import broker_certificate
import served
from isodose.events.log import EventLog, open_log
from isodose.storage.database import Database
from npm import packages

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def pytest_configure(config: pytest.Config) -> None:
    """kafka-python reads its protocol definitions in a way that Python 3.11 calls deprecated."""
    for name in ("read_text", "open_text", "contents", "is_resource"):
        config.addinivalue_line("filterwarnings", f"ignore:{name} is deprecated:DeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """kafka-python leaves a socket for the collector to close when its loop is stopped while busy (seen)."""
    left_open = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    for item in items:
        if item.get_closest_marker("kafka"):
            item.add_marker(pytest.mark.filterwarnings(left_open))


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", DEPLOY / name / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def patients() -> list[Path]:
    """The synthetic patients of the demonstration."""
    return sorted((DEPLOY.parent / "samples" / "patients").glob("*.json"))


@pytest.fixture(scope="session")
def deploy_script() -> Callable[[str], ModuleType]:
    """What starts and stops Kafka (`kafka`) and PostgreSQL (`postgres`) on this machine."""
    return _script


@pytest.fixture(scope="session")
def not_here() -> Callable[[object], None]:
    """Skip for a reason, which fails in CI."""
    return _not_here


def _not_here(reason: object) -> None:
    """Skip, saying how to run the test; in CI nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(reason), pytrace=False)
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def serving() -> ModuleType:
    """How a test talks to an application over HTTP: `serving.served(app)`."""
    return served


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A directory that a server running as another user can reach (pytest's own is private to its owner)."""
    directory = Path(tempfile.mkdtemp(prefix="isodose-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_url(server_dir: Path) -> Iterator[str]:
    """The maintenance database of a PostgreSQL of this session's own."""
    postgres = _script("postgres")
    try:
        url = postgres.start(server_dir / "postgres")
    except postgres.CannotStart as reason:
        _not_here(reason)
        return
    yield url
    postgres.stop(server_dir / "postgres")


@pytest.fixture(scope="session")
def kafka_listeners(server_dir: Path) -> Iterator[tuple[str, str]]:
    """An Apache Kafka of this session's own: `kafka://host:port`, and the one that wants TLS and SASL."""
    kafka = _script("kafka")
    keystore = server_dir / "broker.pem"
    broker_certificate.made(keystore, server_dir / "ca.pem")
    secured = kafka.Secured(kafka.free_port(), keystore)
    try:
        port = kafka.start(server_dir / "kafka", secured=secured)
    except kafka.CannotRun as reason:
        _not_here(reason)
        return
    yield f"kafka://127.0.0.1:{port}", f"kafka://localhost:{secured.port}"
    kafka.stop(server_dir / "kafka")


@pytest.fixture(scope="session")
def mcode_package() -> Path:
    """The official package of mCODE, unpacked; its examples are in `example`."""
    try:
        return packages.mcode()
    except packages.CannotFetch as reason:
        _not_here(reason)
        raise


@pytest.fixture(scope="session")
def npm_clients() -> Path:
    """The `node_modules` of the clients that are tried on this server."""
    try:
        packages.node()
        return packages.clients()
    except packages.CannotFetch as reason:
        _not_here(reason)
        raise


@pytest.fixture(scope="session")
def kafka_url(kafka_listeners: tuple[str, str]) -> str:
    return kafka_listeners[0]


@pytest.fixture(scope="session")
def secured_kafka_url(kafka_listeners: tuple[str, str]) -> str:
    """Its certificate is vouched for by `ca.pem` in `server_dir`."""
    return kafka_listeners[1]


@pytest.fixture(scope="session")
def postgresql_template(postgresql_url: str) -> str:
    """The name of a migrated database from which each test's own is copied."""
    name = "isodose_template"
    _maintain(postgresql_url, f'CREATE DATABASE "{name}"')
    template = Database(_named(postgresql_url, name))
    template.migrate()
    template.dispose()
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    template = Database(f"sqlite:///{path}")
    template.migrate()
    template.dispose()
    return path


@pytest.fixture
def new_postgresql(postgresql_url: str, postgresql_template: str) -> Iterator[Callable[[], str]]:
    """Makes a migrated PostgreSQL database of the test's own and returns its URL; as often as asked."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test_{secrets.token_hex(6)}")
        _maintain(postgresql_url, f'CREATE DATABASE "{made[-1]}" TEMPLATE "{postgresql_template}"')
        return _named(postgresql_url, made[-1])

    yield make
    for name in made:
        _maintain(postgresql_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def new_sqlite(sqlite_template: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes a migrated SQLite database of the test's own and returns its URL; as often as asked."""

    def make() -> str:
        path = tmp_path / f"{secrets.token_hex(6)}.db"
        shutil.copyfile(sqlite_template, path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database: once SQLite, once PostgreSQL."""
    make: Callable[[], str] = request.getfixturevalue(f"new_{request.param}")
    return make()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def topic_prefix() -> str:
    """Sets the topics of one test apart from those of all others on the shared Kafka."""
    return f"t{secrets.token_hex(6)}."


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def event_log_url(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> str:
    """An empty event log: once embedded, once Kafka under topic names of the test's own."""
    if request.param == "embedded":
        return f"sqlite:///{tmp_path / 'events.db'}"
    url: str = request.getfixturevalue("kafka_url")
    return f"{url}?prefix={topic_prefix}"


@pytest.fixture
def event_log(event_log_url: str) -> Iterator[EventLog]:
    log = open_log(event_log_url)
    yield log
    log.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _maintain(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(text(statement))
    engine.dispose()


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
