"""What the commands share: how they speak, and how they stop on what was given wrongly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from all_in_one.composition import SERVICES
from isodose.clinical.knowledge import KnowledgeError
from isodose.clinical.timeline import decision_day
from isodose.running import audit_key
from isodose.security.gate import GateError
from isodose.service import Service
from isodose.settings import Settings
from isodose.storage.database import Database, SchemaMismatch

out = Console()
err = Console(stderr=True)

ServerUrl = Annotated[str, typer.Option("--server", help="where Isodose listens, without /fhir")]
Day = Annotated[
    str | None, typer.Option("--on", metavar="DATE", help="the decision day, as 2026-03-31; today by default")
]
Which = Annotated[str, typer.Argument(help="a service by name")]


def say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def fail(*lines: str, code: int = 1) -> NoReturn:
    for line in lines:
        err.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def settings_or_fail() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        faults = [f"ISODOSE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        fail(*faults)


def service_or_fail(name: str, settings: Settings) -> Service:
    try:
        return SERVICES[known(name)](settings.for_service(name, 0))
    except GateError as error:
        fail(f"{name} does not start: {error}")
    except KnowledgeError as error:
        fail(f"{name} does not start: its knowledge does not validate: {error}")


def audit_key_or_fail(settings: Settings) -> bytes | None:
    """The secret of the audit chain, if there is one."""
    try:
        return audit_key(settings)
    except GateError as error:
        fail(str(error))


def known(name: str) -> str:
    if name not in SERVICES:
        fail(f"there is no service {name}; the services are {', '.join(SERVICES)}")
    return name


def day_or_fail(text: str | None) -> dt.date | None:
    try:
        return decision_day(text) if text else None
    except ValueError:
        fail(f"{text} is not a day; write it as 2026-03-31", code=2)


def databases(service: str) -> Iterator[tuple[str, Database]]:
    """The databases of a service, or of all, checked; each is closed after its turn."""
    settings = settings_or_fail()
    names = list(SERVICES) if service == "all" else [known(service)]
    for name in names:
        with opened(settings.for_service(name, 0).database_url) as database:
            yield name, database


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database at the schema of this version, closed at the end."""
    database = Database(url)
    try:
        database.check_schema()
        yield database
    except SchemaMismatch as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(f"{shown(url)} cannot be opened: {type(error).__name__}")
    finally:
        database.dispose()


def shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
