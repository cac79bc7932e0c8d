"""The image and compose start what the code has: its services, ports, settings, paths and commands."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema_rs import validator_for
from packaging.requirements import Requirement
from sqlalchemy import create_engine, make_url, text
from typer.testing import CliRunner

from all_in_one.command import COMMANDS
from all_in_one.command import app as command
from all_in_one.composition import PREFIXES, SERVICES
from isodose.events.contract import TOPICS
from isodose.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]
GATEWAY = (ROOT / "deploy" / "gateway" / "nginx.conf").read_text(encoding="utf-8")
BUILT = {name: make(Settings().for_service(name, 0)) for name, make in SERVICES.items()}
VARIABLES = {
    str(field.validation_alias or f"ISODOSE_{name.upper()}") for name, field in Settings.model_fields.items()
}


def test_the_image_exposes_the_ports_of_the_services() -> None:
    exposed = re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)
    assert exposed
    assert sorted(map(int, exposed[1].split())) == sorted(service.port for service in BUILT.values())


def test_the_image_runs_as_an_ordinary_user_and_installs_locked_versions_only() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert re.search(r"^USER 10001:10001$", stages[-1], re.MULTILINE)
    installs = re.findall(r"pip install ([^\n&]*)", DOCKERFILE)
    assert installs
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_hadolint_has_nothing_against_the_steps_of_the_image(tmp_path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not here: its wheel is for Linux on x86-64")
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.replace("USER 10001:10001", "RUN cd /tmp && apt-get install curl"))
    for file, failing in ((ROOT / "deploy" / "Dockerfile", 0), (worse, 1)):
        told = subprocess.run([hadolint, "--no-color", file], capture_output=True, text=True, check=False)
        assert told.returncode == failing, told.stdout


@pytest.mark.parametrize("file", ["docker-compose.yml", "deploy/ehr/compose.yaml"])
def test_compose_files_are_what_the_compose_specification_says(file: str) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    validator = validator_for(orjson.loads(schema.read_bytes()))
    whole = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(whole)] == []
    assert not validator.is_valid(whole | {"services": {"worklist": {"imag": "isodose:local"}}})


def test_what_builds_the_image_is_locked_like_everything_else() -> None:
    everything = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    for entry in re.split(r"\n(?=\w)", (ROOT / "deploy" / "build-requirements.lock").read_text().strip()):
        assert entry in everything, entry.split()[0]


def test_nothing_that_builds_the_image_is_left_out_of_the_lock() -> None:
    """pip takes nothing that is not in it, so one missing name and there is no image."""
    lock = (ROOT / "deploy" / "build-requirements.lock").read_text()
    locked = set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))
    wanted, needed = ["hatchling"], set[str]()
    while wanted:
        name = wanted.pop()
        needed.add(name)
        asked = map(Requirement, metadata.requires(name) or ())
        wanted += [one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    assert locked == needed


def test_what_the_image_copies_is_let_through_by_the_ignore_file() -> None:
    allowed = set(
        re.findall(r"^!(.+)$", (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    )
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {path for line in copied for path in line.split()} <= allowed
    assert all((ROOT / path).exists() for path in allowed)


def test_the_wheel_holds_the_data_that_the_code_reads(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    for root in (ROOT / "libs", ROOT / "services"):
        sources = {
            str(path.relative_to(root))
            for path in root.rglob("*")
            if path.is_file() and not {"__pycache__"} & set(path.parts) and ".egg-info" not in str(path)
        }
        assert sources - packed == set()


@pytest.mark.parametrize("name", SERVICES)
def test_compose_serves_every_service_on_its_port_with_settings_that_exist(name: str) -> None:
    container = COMPOSE[name]
    environment = container["environment"]
    assert container["command"] == ["serve", name]
    assert int(environment["ISODOSE_PORT"]) == BUILT[name].port
    assert set(environment) <= VARIABLES
    assert f"127.0.0.1:{BUILT[name].port}/readyz" in " ".join(container["healthcheck"]["test"])
    if BUILT[name].keeps_state:
        assert make_url(environment["ISODOSE_DATABASE_URL"]).database == name
        assert environment["ISODOSE_EVENT_LOG_URL"].startswith("kafka://kafka:")
    assert environment["ISODOSE_PUBLIC_URL"] == f"http://localhost:8000{PREFIXES[name]}"


@pytest.mark.parametrize("name", SERVICES)
def test_without_authorisation_compose_keeps_the_services_on_loopback(name: str) -> None:
    assert COMPOSE[name]["environment"]["ISODOSE_AUTH"] == "none"
    assert COMPOSE[name]["environment"]["ISODOSE_HOST"] == "127.0.0.1"
    assert COMPOSE[name]["network_mode"] == "service:gateway"
    assert "ports" not in COMPOSE[name]


def test_only_the_gateway_and_the_dashboards_are_published_and_on_this_machine_only() -> None:
    published = {name: container["ports"] for name, container in COMPOSE.items() if "ports" in container}
    assert published == {"gateway": ["127.0.0.1:8000:8000"], "grafana": ["127.0.0.1:3000:3000"]}


def test_services_wait_for_the_schema_and_the_topics() -> None:
    for name in SERVICES:
        assert COMPOSE[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert COMPOSE[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
    assert CliRunner().invoke(command, [*COMPOSE["topics"]["command"], "--help"]).exit_code == 0
    stateful = [name for name, service in BUILT.items() if service.keeps_state]
    assert f"for service in {' '.join(stateful)}; do" in COMPOSE["migrate"]["command"][0]
    assert {"serve", "migrate", "day"} <= COMMANDS.keys()


def test_compose_with_an_ehr_sets_what_has_to_do_with_it() -> None:
    beside = yaml.safe_load((ROOT / "deploy" / "ehr" / "compose.yaml").read_text(encoding="utf-8"))
    services = beside["services"]
    assert services.keys() == set(SERVICES) - {"worklist"}
    given = services["ehr_ingestion"]["environment"]
    asked = ("ISODOSE_EHR_", "ISODOSE_WRITE_BACK_", "ISODOSE_SUBSCRIBER_", "ISODOSE_NOTIFICATION_")
    of_cards = {"ISODOSE_EHR_INGESTION_URL", "ISODOSE_EHR_FHIR_SERVERS", "ISODOSE_EHR_TIMEOUT_S"}
    assert given.keys() == {name for name in VARIABLES if name.startswith(asked)} - of_cards
    secrets = {f"/run/secrets/{name}" for name in services["ehr_ingestion"]["secrets"]}
    assert {value for name, value in given.items() if name.endswith("_FILE")} == secrets
    assert beside["secrets"].keys() == set(services["ehr_ingestion"]["secrets"])
    for name in services.keys() - {"ehr_ingestion"}:
        assert services[name]["environment"].keys() <= VARIABLES


def test_the_collector_takes_traces_where_the_services_send_them() -> None:
    collector = yaml.safe_load((ROOT / "deploy" / "collector" / "collector.yaml").read_text(encoding="utf-8"))
    port = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    for name in SERVICES:
        assert COMPOSE[name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://collector:{port}"
    used = collector["service"]["pipelines"]["traces"]
    for part in ("receivers", "processors", "exporters"):
        assert set(used[part]) <= set(collector[part])


def test_no_deployable_names_a_topic_that_the_contract_does_not_have() -> None:
    files = [ROOT / "docker-compose.yml", *(ROOT / "k8s").rglob("*.yaml"), *(ROOT / "deploy").glob("*/*.sql")]
    named = {topic for f in files for topic in re.findall(r"isodose\.[a-z-]+\.v\d+", f.read_text())}
    assert named <= TOPICS.keys()
    assert COMPOSE["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def upstreams() -> dict[str, tuple[str, int]]:
    found = re.findall(r"upstream (\w+) { server ([\w-]+):(\d+);", GATEWAY)
    return {name: (host, int(port)) for name, host, port in found}


def test_the_gateway_knows_every_service_by_host_and_port() -> None:
    assert upstreams() == {name: (name.replace("_", "-"), service.port) for name, service in BUILT.items()}
    assert COMPOSE["gateway"]["extra_hosts"] == [f"{host}:127.0.0.1" for host, _ in upstreams().values()]


def routes() -> dict[str, str]:
    found = re.findall(
        r"location (?:= )?(\S+) {(?: error_page [^;]+;)? proxy_pass http://(\w+)\S*; }", GATEWAY
    )
    return dict(found)


def test_the_gateway_gives_each_public_path_to_its_owner() -> None:
    for path in ("/fhir", "/fhir/", "/notifications/", "/openapi.json", "/readyz"):
        assert routes()[path] == "ehr_ingestion"
    assert routes()["/worklist"] == routes()["/worklist/"] == routes()["/cds-services"] == "worklist"
    for name, prefix in PREFIXES.items():
        if prefix:
            for equal, path in (("= ", "/fhir"), ("", "/fhir/"), ("= ", "/openapi.json")):
                assert f"location {equal}{prefix}{path} {{ proxy_pass http://{name}{path}; }}" in GATEWAY


def test_the_gateway_tells_the_services_who_asked_and_by_which_proxies() -> None:
    """Where it put its own view in the place of what came, every caller behind an ingress would be one."""
    told = dict(re.findall(r"proxy_set_header (X-Forwarded-\w+) (\S+);", GATEWAY))
    assert told["X-Forwarded-For"] == "$proxy_add_x_forwarded_for"
    assert told["X-Forwarded-Proto"] != "$scheme"


def test_the_gateway_gives_each_cds_service_to_its_owner() -> None:
    for name, service in BUILT.items():
        for cds in service.cds_services:
            matching = [
                path for path in routes() if f"/cds-services/{cds.id}".startswith(path) and path != "/"
            ]
            assert routes()[max(matching, key=len)] == name, cds.id


@pytest.mark.postgres
def test_each_service_gets_a_database_of_its_own_that_the_others_cannot_open(postgresql_url: str) -> None:
    url = make_url(postgresql_url)
    script = ROOT / "deploy" / "database" / "init.sql"
    target = url.set(drivername="postgresql").render_as_string(hide_password=False)
    made = subprocess.run(
        ["psql", "-X", "-q", "-d", target, "-f", str(script)],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "ISODOSE_DATABASE_PASSWORD": "it's odd"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    stateful = [name for name, service in BUILT.items() if service.keeps_state]
    for name in stateful:
        own = create_engine(url.set(database=name, username=name, password="it's odd"))
        with own.begin() as conn:
            conn.execute(text("CREATE TABLE public.x (y int)"))
            conn.execute(text("DROP TABLE public.x"))
            others = [other for other in stateful if other != name]
            for other in others:
                asked = text("SELECT has_database_privilege(:role, :database, 'CONNECT')")
                assert not conn.execute(asked, {"role": name, "database": other}).scalar_one()
        own.dispose()


@pytest.mark.postgres
def test_without_a_password_no_role_is_made(postgresql_url: str) -> None:
    target = make_url(postgresql_url).set(drivername="postgresql").render_as_string(hide_password=False)
    script = ROOT / "deploy" / "database" / "init.sql"
    made = subprocess.run(
        ["psql", "-X", "-q", "-d", target, "-f", str(script)],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert "ISODOSE_DATABASE_PASSWORD is not set" in made.stderr
