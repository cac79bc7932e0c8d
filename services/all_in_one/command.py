"""The command `isodose`: decide at a terminal, load data, start services, look after a running platform."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import httpx
import orjson
import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from all_in_one import demo as demonstration
from all_in_one import loading, pulling, terminal
from all_in_one.app import AllInOne
from all_in_one.composition import DECIDING, SERVICES
from ehr_ingestion.pull import EhrAwayError, EhrReader
from isodose.assessment import Decider, assess
from isodose.clinical import terminology
from isodose.clinical.knowledge import KnowledgeError
from isodose.events import contract
from isodose.events import dead_letters as events_set_aside
from isodose.events.log import LogUnavailable, Record, open_log
from isodose.fhir.definitions import resource_types
from isodose.fhir.errors import FhirError
from isodose.fhir.resources import parse
from isodose.security.audit import chain, verified
from isodose.security.backend_auth import BackendToken, NoTokenError, private_key
from isodose.security.gate import Gate, GateError
from isodose.service import RefusalError, Service, audit_key, build_app, claims_at, refuse
from isodose.settings import Settings
from isodose.storage.database import Database, SchemaMismatch
from isodose.telemetry import configure_logging
from isodose.work import work_at

app = typer.Typer(
    help="Isodose: decision support for stereotactic radiosurgery of brain metastases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
dead_letters = typer.Typer(help="Events set aside after every attempt to handle them failed.")
app.add_typer(dead_letters, name="dead-letters")
out = Console()
err = Console(stderr=True)

ServerUrl = Annotated[str, typer.Option("--server", help="where Isodose listens, without /fhir")]
Day = Annotated[
    str | None, typer.Option("--on", metavar="DATE", help="the decision day, as 2026-03-31; today by default")
]
Which = Annotated[str, typer.Argument(help="a service by name")]


@app.command("assess")
def assess_bundle(
    bundle: Annotated[Path, typer.Argument(help="a Bundle of R4 resources of one patient, as JSON")],
    on: Day = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the three answers as JSON")] = False,
) -> None:
    """Decide on a Bundle with all three decision services. Needs no database and stores nothing."""
    day = _day(on)
    try:
        resource = parse(bundle.read_bytes())
        parameters = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "record", "resource": resource.data},
                *([{"name": "on", "valueDate": day.isoformat()}] if day else []),
            ],
        }
        answers = {
            name: assess(decider, parameters, lambda _id: None) for name, decider in _deciders().items()
        }
    except OSError as error:
        _fail(f"{bundle}: {error.strerror}")
    except FhirError as error:
        _fail(*(f"{bundle}: {issue.diagnostics} ({', '.join(issue.expression)})" for issue in error.issues))
    if as_json:
        typer.echo(orjson.dumps(answers, option=orjson.OPT_INDENT_2).decode())
    else:
        terminal.show_answers(out, answers)


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="Bundles, single resources (.json) or .ndjson")],
    server: ServerUrl = "http://127.0.0.1:8000",
    token: Annotated[Path | None, typer.Option("--token-file", help="a file with an access token")] = None,
) -> None:
    """Bring files of FHIR resources to a server; each resource is stored or refused with a reason."""
    summaries = [loading.Summary(str(file)) for file in files]
    read = [
        (summary, loading.read_or_refuse(file, summary))
        for file, summary in zip(files, summaries, strict=True)
    ]
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=err, transient=True
    )
    task = bar.add_task("loading", total=sum(len(items) for _, items in read))
    try:
        headers = {"authorization": f"Bearer {token.read_text().strip()}"} if token else {}
        base = f"{server.rstrip('/')}/fhir"
        with bar, httpx.Client(base_url=base, timeout=120, headers=headers) as client:
            for batch in loading.batches(read):
                bar.update(task, description=batch[0][0].file)
                loading.load(batch, client)
                bar.advance(task, len(batch))
    except loading.UnreadableError as error:
        terminal.show_summaries(out, summaries)
        _fail(str(error))
    terminal.show_summaries(out, summaries)
    if any(summary.refused for summary in summaries):
        raise typer.Exit(1)


@app.command("audit")
def verify_audit(service: Which = "all") -> None:
    """Verify that no audit event was changed or taken out, and print the last digest to keep elsewhere."""
    try:
        key = audit_key(_settings())
    except GateError as error:
        _fail(str(error))
    broken = False
    for name, database in _databases(service):
        with database.read() as conn:
            told = verified(chain(conn), key)
        broken = broken or told.broken_at is not None
        state = "holds" if told.broken_at is None else f"is broken at {told.broken_at}"
        _say(f"{name}: the chain {state}; {told.holding} events, last digest {told.digest}")
    if broken:
        raise typer.Exit(1)


@app.command("pull")
def pull_patients(
    patients: Annotated[list[str], typer.Argument(help="ids of patients at the EHR")],
    *,
    ehr: Annotated[str, typer.Option("--from", help="FHIR base of the EHR")],
    token_url: Annotated[str, typer.Option(help="the EHR's token endpoint; empty: no token")] = "",
    client_id: Annotated[str, typer.Option(help="as which Isodose is registered there")] = "",
    key: Annotated[Path | None, typer.Option(help="a file with the private JWK of that client")] = None,
    scope: Annotated[str, typer.Option(help="what to ask for")] = "system/*.rs",
    state: Annotated[Path | None, typer.Option(help="a file that keeps when each patient was read")] = None,
) -> None:
    """Read patients from the EHR's FHIR server; with --state only what changed since the last time."""
    settings = _settings()
    try:
        signed = (
            BackendToken(token_url, client_id=client_id, key=private_key(key), scope=scope) if key else None
        )
        reader = EhrReader(ehr, signed.header if signed else dict)
        done = pulling.pull_all(reader, ehr.rstrip("/"), patients, state, settings)
    except (ValueError, EhrAwayError, NoTokenError, SchemaMismatch) as error:
        _fail(str(error))
    for patient_id, summary in done.items():
        withheld = f", not given: {', '.join(summary.withheld)}" if summary.withheld else ""
        refused = sum(summary.refused.values())
        _say(f"{patient_id}: {summary.kept} kept, {summary.unchanged} as before, {refused} refused{withheld}")
    if any(summary.refused for summary in done.values()):
        raise typer.Exit(1)


@app.command()
def up(port: Annotated[int | None, typer.Option(help="port to listen on; 8000 by default")] = None) -> None:
    """Start every service in one process, on SQLite files in ISODOSE_DATA_DIR."""
    settings = _settings()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    whole = _composed(settings)
    configure_logging(settings.log_level)
    whole.migrate()
    _listen(whole, settings.host, settings.port or 8000)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    leave: Annotated[bool, typer.Option("--exit", help="end after the table")] = False,
) -> None:
    """Start everything on fresh files, load the sample patients and print what is proposed for each."""
    try:
        with demonstration.started(port) as address:
            patients = demonstration.load(address, out)
            out.print(demonstration.table(demonstration.rows(address, patients)))
            _say(demonstration.hints(address, patients))
            if not leave:
                _say("Press Ctrl-C to end.")
                signal.pause()
    except demonstration.DemonstrationError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
def serve(service: Which) -> None:
    """Start one service on the database and the log that the settings name."""
    settings = _settings()
    made = _service(service, settings)
    own = settings.for_service(made.name, made.port)
    try:
        refuse(made, own)
        application = build_app(made, own)
    except RefusalError as error:
        _fail(str(error))
    configure_logging(own.log_level)
    _listen(application, own.host, own.port or made.port)


@app.command()
def day(on: Day = None) -> None:
    """Tell every service that a day has started, so that answers which depend on the day are renewed."""
    settings = _settings()
    started = _day(on) or settings.today()
    record = Record("isodose.day-started.v1", None, contract.encode(contract.day_started(started)), {})
    try:
        log = open_log(settings.for_service("ehr_ingestion", 0).event_log_url)
        try:
            log.publish([record])
        finally:
            log.close()
    except LogUnavailable as error:
        _fail(f"the day was not published: {error}")
    out.print(f"{started}: published")


@app.command()
def migrate(service: Which = "all") -> None:
    """Bring the database of a service, or of all, to the schema of this version."""
    settings = _settings()
    names = [name for name in SERVICES if name != "worklist"] if service == "all" else [_known(service)]
    urls = {name: settings.for_service(name, 0).database_url for name in names}
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    for url in dict.fromkeys(urls.values()):
        database = Database(url)
        try:
            database.migrate()
        except SQLAlchemyError as error:
            _fail(f"{_shown(url)} was not migrated: {type(error).__name__}")
        finally:
            database.dispose()
        out.print(f"{_shown(url)}: at the schema of this version")


@app.command()
def topics() -> None:
    """List the topics of the contract, after making those that the log does not have yet."""
    try:
        log = open_log(_settings().for_service("ehr_ingestion", 0).event_log_url)
        try:
            log.ensure_topics()
        finally:
            log.close()
    except LogUnavailable as error:
        _fail(f"the topics were not made: {error}")
    for topic in contract.TOPICS.values():
        out.print(f"{topic.name}: {topic.partitions} partitions, {topic.cleanup}")


@dead_letters.command("list")
def list_dead_letters(service: Which = "all") -> None:
    """List the events that were set aside and not replayed yet."""
    for name, database in _databases(service):
        for letter in events_set_aside.listed(database, name):
            when = f"{letter.failed_at:%Y-%m-%d %H:%M}, {letter.attempts} attempts"
            place = f"{letter.topic} {letter.partition}/{letter.offset}"
            _say(f"{name} {letter.id}: {place}, {when}: {letter.error.partition(':')[0]}")


@dead_letters.command("replay")
def replay_dead_letters(
    service: Which = "all",
    id: Annotated[int | None, typer.Option("--id", help="one letter by its number; all by default")] = None,
) -> None:
    """Handle events again that were set aside; those that fail again stay."""
    failed = False
    settings = _settings()
    gate = Gate(settings)
    for name, database in _databases(service):
        made = _service(name, settings)
        work = work_at(f"{settings.for_service(made.name, made.port).public_url}/fhir")
        claims = claims_at(settings.ehr_ingestion_url, lambda: gate.authorization("isodose"))
        for letter in events_set_aside.listed(database, name):
            if id not in (None, letter.id):
                continue
            try:
                events_set_aside.replay(database, letter.id, made.handlers, work, claims)
            except Exception as error:
                failed = True
                _say(f"{name} {letter.id}: failed again, {type(error).__name__}")
            else:
                _say(f"{name} {letter.id}: handled")
    if failed:
        raise typer.Exit(1)


def _databases(service: str) -> Iterator[tuple[str, Database]]:
    """The databases of a service, or of all, checked; each is closed after its turn."""
    settings = _settings()
    names = [name for name in SERVICES if name != "worklist"] if service == "all" else [_known(service)]
    for name in names:
        url = settings.for_service(name, 0).database_url
        database = Database(url)
        try:
            database.check_schema()
            yield name, database
        except SchemaMismatch as error:
            _fail(str(error))
        except SQLAlchemyError as error:
            _fail(f"{_shown(url)} cannot be opened: {type(error).__name__}")
        finally:
            database.dispose()


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _deciders() -> dict[str, Decider]:
    settings = _settings()
    made = {name: _service(name, settings).decider for name in DECIDING}
    return {name: decider for name, decider in made.items() if decider is not None}


def _composed(settings: Settings) -> AllInOne:
    try:
        return AllInOne(settings)
    except RefusalError as error:
        _fail(str(error))
    except GateError as error:
        _fail(f"nothing starts: {error}")
    except KnowledgeError as error:
        _fail(f"knowledge does not validate: {error}")


def _listen(application: ASGIApp, host: str, port: int) -> None:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            _fail(f"cannot listen on {host}:{port}: {error.strerror}")
    _settle()
    uvicorn.run(application, host=host, port=port, log_config=None, access_log=False)


def _settle() -> None:
    """Knowledge, schemas and code stay for good: the garbage collector need not look at them again and again.

    A full collection over them takes 0.1 to 0.3 s (measured), in which no thread answers.
    """
    terminology.load_all()
    resource_types()
    gc.collect()
    gc.freeze()


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"ISODOSE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        _fail(*faults)


def _service(name: str, settings: Settings) -> Service:
    try:
        return SERVICES[_known(name)](settings.for_service(name, 0))
    except GateError as error:
        _fail(f"{name} does not start: {error}")
    except KnowledgeError as error:
        _fail(f"{name} does not start: its knowledge does not validate: {error}")


def _known(name: str) -> str:
    if name not in SERVICES:
        _fail(f"there is no service {name}; the services are {', '.join(SERVICES)}")
    return name


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        _fail(f"{text} is not a day; write it as 2026-03-31", code=2)


def _fail(*lines: str, code: int = 1) -> NoReturn:
    for line in lines:
        err.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)
