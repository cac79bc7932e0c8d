"""Commands about what was to be done at other systems and was set aside."""

from __future__ import annotations

from typing import Annotated

import typer

from all_in_one.commands.auditing import auditor_or_fail
from all_in_one.commands.connecting import ingesting_or_fail
from all_in_one.commands.speaking import fail, opened, say
from ehr_ingestion.notifications.intake import READ_PATIENT, READ_RESOURCE
from ehr_ingestion.write_back.erasing import DELETE_COPY, FIND_COPY
from ehr_ingestion.write_back.writing import WRITE_BACK
from isodose.events import set_aside
from isodose.fhir.exchange import Deed
from isodose.fhir.resources import result_id

Kind = Annotated[str, typer.Argument(help="what was to be done, as the list says")]
Key = Annotated[str, typer.Argument(help="to what, as the list says")]


def list_jobs() -> None:
    """List the jobs that were set aside, with the reason; the lines may name patients."""
    with opened(ingesting_or_fail().database_url) as database, database.read() as conn:
        for one in set_aside.listed(conn):
            say(f"{one.kind} {one.key}: set aside {one.failed_at:%Y-%m-%d %H:%M}: {one.error}")


def retry_jobs(
    kind: Annotated[str | None, typer.Argument(help="what was to be done; all by default")] = None,
    key: Annotated[str | None, typer.Argument(help="to what; all of the kind by default")] = None,
) -> None:
    """Have jobs done that were set aside, after the cause was mended."""
    settings = ingesting_or_fail()
    auditor = auditor_or_fail(settings, "ehr_ingestion")
    with opened(settings.database_url) as database:
        with database.read() as conn:
            found = set_aside.listed(conn)
        wanted = [one for one in found if kind in (None, one.kind) and key in (None, one.key)]
        if key is not None and not wanted:
            fail(f"{kind} {key} is not set aside; see `isodose jobs list`")
        for one in wanted:
            with database.begin() as conn:
                done = set_aside.retry(conn, one.kind, one.key)
                if done:
                    auditor(conn, _deed("retry-job", one.kind, one.key))
            say(f"{one.kind} {one.key}: {'asked for' if done else 'not set aside any more'}")


def dismiss_job(kind: Kind, key: Key) -> None:
    """Forget a job that was set aside; it is done when it is next asked for."""
    settings = ingesting_or_fail()
    auditor = auditor_or_fail(settings, "ehr_ingestion")
    with opened(settings.database_url) as database:
        with database.begin() as conn:
            done = set_aside.dismiss(conn, kind, key)
            if done:
                auditor(conn, _deed("dismiss-job", kind, key))
        if not done:
            fail(f"{kind} {key} is not set aside; see `isodose jobs list`")
        say(f"{kind} {key}: dismissed")


def _deed(interaction: str, kind: str, key: str) -> Deed:
    if kind in (READ_PATIENT, WRITE_BACK):
        return Deed(interaction, "Patient", key, "", 200, (key,))
    if kind in (READ_RESOURCE, DELETE_COPY):
        type_, _, id = key.partition("/")
        return Deed(interaction, type_, id, "", 200)
    if kind == FIND_COPY:
        type_, _, value = key.partition("/")
        return Deed(interaction, type_, result_id(value), "", 200)
    return Deed(interaction, "Subscription", key, "", 200)
