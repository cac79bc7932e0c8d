"""Commands that look after a running platform: the day, the schema, topics, the search index, audit."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from all_in_one.commands.speaking import (
    Day,
    Which,
    audit_key_or_fail,
    databases,
    day_or_fail,
    fail,
    known,
    out,
    say,
    service_or_fail,
    settings_or_fail,
    shown,
)
from all_in_one.composition import DECIDING, SERVICES
from all_in_one.rebuilding import NotEmptyError, rebuild
from isodose.events import contract
from isodose.events.log import LogUnavailable, Record, log_of
from isodose.fhir.reindexing import reindex
from isodose.security.audit import chain, verified
from isodose.security.audit_retention import beginning, take_out
from isodose.storage.database import Database
from isodose.storage.retention import prune
from isodose.storage.schema import SchemaMismatch, WouldBreak


def day(on: Day = None) -> None:
    """Tell every service that a day has started, so that answers which depend on the day are renewed."""
    settings = settings_or_fail()
    started = day_or_fail(on) or settings.today()
    record = Record("isodose.day-started.v1", None, contract.encode(contract.day_started(started)), {})
    try:
        log = log_of(settings.for_service("ehr_ingestion", 0))
        try:
            log.publish([record])
        finally:
            log.close()
    except LogUnavailable as error:
        fail(f"the day was not published: {error}")
    out.print(f"{started}: published")


def migrate(
    service: Which = "all",
    stopped: Annotated[
        bool, typer.Option("--stopped", help="no service of an earlier version runs on it")
    ] = False,
) -> None:
    """Bring the database of a service, or of all, to the schema of this version, while services go on."""
    settings = settings_or_fail()
    names = list(SERVICES) if service == "all" else [known(service)]
    urls = {name: settings.for_service(name, 0).database_url for name in names}
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    for url in dict.fromkeys(urls.values()):
        database = Database(url)
        try:
            database.migrate(stopped=stopped)
        except (WouldBreak, SchemaMismatch) as error:
            fail(f"{shown(url)} was not migrated: {error}")
        except SQLAlchemyError as error:
            fail(f"{shown(url)} was not migrated: {type(error).__name__}")
        finally:
            database.dispose()
        out.print(f"{shown(url)}: at the schema of this version")


def apply_topics() -> None:
    """Make the topics, or set them as the contract declares; tell what cannot be changed in place."""
    settings = settings_or_fail().for_service("ehr_ingestion", 0)
    try:
        log = log_of(settings)
        try:
            applied = log.apply_topics(settings.kafka_replication)
        finally:
            log.close()
    except LogUnavailable as error:
        fail(f"the topics were not made: {error}")
    for one in applied:
        topic = contract.TOPICS[one.topic]
        say(f"{one.topic}: {one.done}; {topic.partitions} partitions, {topic.cleanup}")
    if differing := [f"{one.topic} {what}" for one in applied for what in one.differs]:
        fail(*differing)


def rebuild_service(service: Which) -> None:
    """Make a decision service anew from the topics, into the empty database that the settings name."""
    settings = settings_or_fail()
    if known(service) not in DECIDING:
        fail(f"{service} cannot be made from topics: restore its backup; can be: {', '.join(DECIDING)}")
    made = service_or_fail(service, settings)
    own = settings.for_service(made.name, made.port)
    try:
        handled = rebuild(made, own)
    except NotEmptyError:
        fail(f"{shown(own.database_url)} holds what {service} concluded; name an empty database")
    except LogUnavailable as error:
        fail(f"{service} was not rebuilt: {error}")
    except SQLAlchemyError as error:
        fail(f"{service} was not rebuilt: {type(error).__name__}")
    say(f"{service}: rebuilt from {handled} events")


def reindex_service(service: Which = "all") -> None:
    """Make the search index anew, after a release that searches by more than the one before."""
    settings = settings_or_fail()
    for name, database in databases(service):
        own = settings.for_service(name, 0)
        say(f"{name}: {reindex(database, f'{own.public_url}/fhir')} resources indexed")


def prune_results(
    service: Which,
    before: Annotated[str, typer.Option(metavar="DATE", help="what was written before that day")],
) -> None:
    """Delete old versions of results, with decisions and records that nothing kept rests on."""
    day = day_or_fail(before)
    for name, database in databases(service):
        with database.begin() as conn:
            deleted = prune(conn, f"{day}T00:00:00.000Z")
        say(f"{name}: {', '.join(f'{count} of {table}' for table, count in deleted.items())} deleted")


def verify_audit(service: Which = "all") -> None:
    """Verify that no audit event was changed or taken out, and print the last digest to keep elsewhere."""
    key = audit_key_or_fail(settings_or_fail())
    broken = False
    for name, database in databases(service):
        with database.read() as conn:
            told = verified(chain(conn), key, beginning(conn))
        broken = broken or told.broken_at is not None
        state = "holds" if told.broken_at is None else f"is broken at {told.broken_at}"
        say(f"{name}: the chain {state}; {told.holding} events, last digest {told.digest}")
    if broken:
        raise typer.Exit(1)


def retire_audit(
    before: Annotated[str, typer.Option(help="the first day whose events are kept, such as 2020-01-01")],
    service: Which = "all",
) -> None:
    """Take the audit events before a day out of the chain, which verifies on from there."""
    settings, first = settings_or_fail(), day_or_fail(before)
    now = dt.datetime.now(dt.UTC)
    if first is None or first > now.date():
        fail("--before is a day that has been")
    key = audit_key_or_fail(settings)
    since = dt.datetime.combine(first, dt.time(), dt.UTC)
    for name, database in databases(service):
        with database.begin() as conn:
            count = take_out(conn, since, site=name, key=key, canonical=settings.canonical_base, now=now)
        say(f"{name}: {count} events taken out")
