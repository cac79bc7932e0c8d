"""Commands about the Subscriptions by which the EHR tells what changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from all_in_one.commands.connecting import ehr_or_fail, ingesting_or_fail
from all_in_one.commands.speaking import fail, opened, say
from ehr_ingestion.backport import CONTENTS
from ehr_ingestion.ehr_client import EhrAwayError
from ehr_ingestion.notifications import registry
from ehr_ingestion.notifications.registering import NAME, Registrar, registrar_of
from ehr_ingestion.notifications.registry import EhrSubscription
from isodose.events import set_aside
from isodose.security.gate import GateError
from isodose.storage.database import Database

Name = Annotated[str, typer.Argument(help="what it is called here: small letters, digits and hyphens")]


def create(
    name: Name,
    *,
    criteria: Annotated[str, typer.Option(help="a search of R4, as Observation?category=laboratory")] = "",
    topic: Annotated[str, typer.Option(help="a topic of the EHR, by its canonical address")] = "",
    filter_by: Annotated[list[str] | None, typer.Option("--filter", help="a filter of the topic")] = None,
    content: Annotated[str, typer.Option(help="empty, id-only or full-resource")] = "id-only",
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="it is made at the EHR by somebody else")
    ] = False,
) -> None:
    """Have the EHR tell what changed: make the Subscription there, or change the one of this name."""
    if not NAME.fullmatch(name):
        fail(f"{name} is no name: use small letters, digits and hyphens", code=2)
    if bool(criteria) == bool(topic) or content not in CONTENTS:
        fail("give either --criteria or --topic, and --content empty, id-only or full-resource", code=2)
    one = EhrSubscription(
        name=name,
        criteria=criteria or "\n".join(filter_by or []),
        topic=topic,
        content=content,
        created_at=dt.datetime.now(dt.UTC),
    )
    with _registrar() as (registrar, database):
        if by_hand:
            with database.begin() as conn:
                registry.put(conn, one)
            say(f"{name}: notifications are taken at {registrar.endpoint(name)}")
        else:
            made = registrar.create(one)
            say(f"{name}: {made.reference} tells {registrar.endpoint(name)}")


def renew(name: Annotated[str | None, typer.Argument(help="one by its name; all by default")] = None) -> None:
    """Ask the EHR to activate again what it turned off, and to make again what it lost."""
    with _registrar() as (registrar, database):
        for one in _listed(database, name):
            made = registrar.renew(one)
            say(f"{one.name}: {made.reference} is asked for")


def list_subscriptions() -> None:
    """List the subscriptions with what came of each, and what could not be read."""
    with opened(ingesting_or_fail().database_url) as database:
        for one in _listed(database, None):
            heard = f"{one.heard_at:%Y-%m-%d %H:%M}" if one.heard_at else "never"
            missing = one.numbers.many_missing()
            say(
                f"{one.name}: {one.status}, last heard {heard}, {one.taken} taken, {one.refused} refused, "
                f"{one.gaps} came late or not, {missing} still missing ({one.reference or 'made by hand'})"
            )
        with database.read() as conn:
            for left in set_aside.listed(conn):
                say(f"set aside {left.failed_at:%Y-%m-%d %H:%M}: {left.kind}: {left.error}")


def remove(name: Name) -> None:
    """Take a subscription away, at the EHR and here."""
    with _registrar() as (registrar, database):
        for one in _listed(database, name):
            registrar.remove(one)
            say(f"{name}: removed")


def _listed(database: Database, name: str | None) -> list[EhrSubscription]:
    with database.read() as conn:
        found = [one for one in registry.listed(conn) if name in (None, one.name)]
    if name is not None and not found:
        fail(f"there is no subscription {name}; see `isodose subscriptions list`")
    return found


@contextmanager
def _registrar() -> Iterator[tuple[Registrar, Database]]:
    own = ingesting_or_fail()
    with opened(own.database_url) as database:
        try:
            yield registrar_of(ehr_or_fail(own), database, own), database
        except (EhrAwayError, GateError, ValueError) as error:
            fail(str(error))
