"""Commands about events that no attempt could handle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from sqlalchemy import Connection

from all_in_one.commands.auditing import auditor_or_fail
from all_in_one.commands.speaking import Which, databases, fail, known, say, service_or_fail, settings_or_fail
from isodose.erasure import GUIDANCE, RECORDS
from isodose.events import dead_letters
from isodose.events.dead_letters import DeadLetter
from isodose.fhir.exchange import Deed
from isodose.running import claims_at, on_tombstones
from isodose.security.gate import Gate
from isodose.settings import Settings
from isodose.storage.database import Database
from isodose.work import work_at

Again = Callable[[Connection, DeadLetter], bool]


def list_dead_letters(
    service: Which = "all",
    dismissed: Annotated[bool, typer.Option("--dismissed", help="those that were given up, and why")] = False,
) -> None:
    """List the events that were set aside and wait to be replayed or dismissed."""
    for name, database in databases(service):
        for letter in dead_letters.listed(database, name, dismissed):
            when = f"{letter.failed_at:%Y-%m-%d %H:%M}, {letter.attempts} attempts"
            said = f"{name} {letter.id}: {_place(letter)}, {when}: {letter.error.partition(':')[0]}"
            given_up = letter.dismissed_at
            say(f"{said}; dismissed {given_up:%Y-%m-%d %H:%M}: {letter.reason}" if given_up else said)


def replay_dead_letters(
    service: Which = "all",
    id: Annotated[int | None, typer.Option("--id", help="one letter by its number; all by default")] = None,
) -> None:
    """Handle events again that were set aside; those that fail again stay."""
    settings = settings_or_fail()
    handled: list[bool] = []
    for name, database in databases(service):
        again = _again(name, settings)
        letters = [one for one in dead_letters.listed(database, name) if id in (None, one.id)]
        handled += [_replayed(name, database, letter, again) for letter in letters]
    if id is not None and not handled:
        fail(f"{service} {id} does not wait; see `isodose dead-letters list`")
    if not all(handled):
        raise typer.Exit(1)


def dismiss_dead_letter(
    service: Annotated[str, typer.Argument(help="the service that set it aside, as the list says")],
    id: Annotated[int, typer.Option("--id", help="the number of the letter, as the list says")],
    reason: Annotated[str, typer.Option("--reason", help="why it need not be handled")],
) -> None:
    """Give up an event that was set aside: it is not handled, and no longer counted."""
    if not reason.strip():
        fail("--reason is empty: say why the event need not be handled")
    auditor = auditor_or_fail(settings_or_fail(), known(service))
    for name, database in databases(service):
        waiting = [one for one in dead_letters.listed(database, name) if one.id == id]
        if any(one.is_tombstone for one in waiting):
            fail(f"{name} {id} erases a patient: it can be replayed, not dismissed")
        with database.begin() as conn:
            done = [one for one in waiting if dead_letters.dismiss(conn, one.id, reason.strip())]
            for one in done:
                auditor(conn, _deed("dismiss-event", one))
        if not done:
            fail(f"{name} {id} does not wait; see `isodose dead-letters list`")
        say(f"{name} {id}: dismissed")


def _again(name: str, settings: Settings) -> Again:
    """How a service handles a letter again and takes that down, in one transaction."""
    made, gate, auditor = service_or_fail(name, settings), Gate(settings), auditor_or_fail(settings, name)
    work = work_at(f"{settings.for_service(made.name, made.port).public_url}/fhir")
    claims = claims_at(settings.ehr_ingestion_url, lambda: gate.authorization("isodose"))
    buried = on_tombstones(made, settings)

    def again(conn: Connection, letter: DeadLetter) -> bool:
        done = dead_letters.replay(conn, letter.id, made.handlers, work, claims, buried=buried)
        if done:
            auditor(conn, _deed("replay-event", letter))
        return done

    return again


def _replayed(name: str, database: Database, letter: DeadLetter, again: Again) -> bool:
    """Whether it did not fail again."""
    try:
        with database.begin() as conn:
            done = again(conn, letter)
    except Exception as error:
        say(f"{name} {letter.id}: failed again, {type(error).__name__}")
        return False
    say(f"{name} {letter.id}: {'handled' if done else 'does not wait any more'}")
    return True


def _place(letter: DeadLetter) -> str:
    return f"{letter.topic} {letter.partition}/{letter.offset}"


def _deed(interaction: str, letter: DeadLetter) -> Deed:
    """What is told of the letter: its place in the log, and the patient where its key is one."""
    patients = (letter.key,) if letter.key and letter.topic in (RECORDS, GUIDANCE) else ()
    place = f"partition={letter.partition}&offset={letter.offset}"
    return Deed(interaction, letter.topic, "", place, 200, patients)
