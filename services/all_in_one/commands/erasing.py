"""The command by which one patient is erased."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from all_in_one.commands.connecting import ingesting_or_fail
from all_in_one.commands.speaking import audit_key_or_fail, fail, opened, say
from ehr_ingestion.write_back.erasing import Copies, ask_to_delete, copies_of
from isodose.erasure import GUIDANCE, RECORDS, Eraser
from isodose.settings import Settings
from isodose.work import Work, work_at


def erase_patient(
    patient: Annotated[str, typer.Argument(help="the id of the patient")],
    sure: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Erase one patient from ehr_ingestion; the other services and the topics follow by a tombstone."""
    settings = ingesting_or_fail()
    if not sure:
        typer.confirm(f"Erase {patient} for good, with all versions and results?", abort=True)
    eraser = Eraser("ehr_ingestion", audit_key_or_fail(settings), canonical=settings.canonical_base)
    with opened(settings.database_url) as database, database.begin() as conn:
        work = work_at(f"{settings.public_url}/fhir")(conn)
        known_as = _known_as(work, patient)
        copies = copies_of(work, known_as)
        rows = eraser.erase(work, patient, getpass.getuser(), [RECORDS, GUIDANCE])
        if settings.write_back_erasure:
            ask_to_delete(conn, copies)
    also = f", with {', '.join(known_as[1:])}" if known_as[1:] else ""
    say(f"{patient}{also}: {rows} rows erased; tombstones wait for the relay of ehr_ingestion")
    _tell_of(copies, settings)


def _known_as(work: Work, patient: str) -> list[str]:
    """Every id of the person, whose record is under the first."""
    survivor = work.identities.survivors([patient]).get(patient)
    if survivor is not None:
        fail(f"{patient} was merged into {survivor}, whose record holds both: erase {survivor}")
    return [patient, *work.identities.merged_into(patient)]


def _tell_of(copies: Copies, settings: Settings) -> None:
    if settings.write_back_erasure and copies.ours:
        many = len(copies.ours)
        say(f"{many} results are to be deleted at the EHR; `isodose jobs list` names what it refuses")
    for remote in () if settings.write_back_erasure else copies.ours:
        say(f"stays at the EHR: {remote}")
    for sought in copies.unanswered:
        kind, _, value = sought.partition("/")
        then = "it is looked for and deleted" if settings.write_back_erasure else "look for it"
        say(f"may stand at the EHR, which did not answer: {kind} with the identifier {value}; {then}")
    for remote in copies.changed:
        say(f"stays at the EHR, where somebody changed it: {remote}")
