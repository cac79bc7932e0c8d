"""Commands about results at the EHR: what stands there in another form than here, and settling it."""

from __future__ import annotations

from typing import Annotated

import typer

from all_in_one.commands.connecting import ehr_or_fail, ingesting_or_fail
from all_in_one.commands.speaking import fail, opened, say
from ehr_ingestion.ehr_client import EhrAwayError
from ehr_ingestion.write_back import ledger
from ehr_ingestion.write_back.writing import ask_for, overwriting
from isodose.work import work_at

_SAID = {"conflict": "was changed or deleted at the EHR", "refused": "was refused by the EHR"}


def list_unsettled() -> None:
    """List the results that stand at the EHR in another form than here."""
    with opened(ingesting_or_fail().database_url) as database:
        with database.read() as conn:
            counts = ledger.counted(conn)
            entries = ledger.unsettled(conn)
        say(", ".join(f"{many} {state}" for state, many in counts.items()))
        for one in entries:
            where = f" as {one.remote}" if one.remote else ""
            say(f"{one.type}/{one.id}{where}: {_SAID[one.state]} ({one.status})")


def settle(
    result: Annotated[str, typer.Argument(help="a result here, as DetectedIssue/ID")],
) -> None:
    """Settle a conflict for our side: the result replaces what is at the EHR now."""
    kind, _, id = result.partition("/")
    settings = ingesting_or_fail()
    with opened(settings.database_url) as database:
        with database.read() as conn:
            entry = ledger.get(conn, kind, id)
        if entry is None or entry.state not in _SAID:
            fail(f"{result} is in no conflict; see `isodose write-back list`")
        try:
            settled = overwriting(ehr_or_fail(settings), entry)
        except (EhrAwayError, ValueError) as error:
            fail(str(error))
        with database.begin() as conn:
            ledger.put(conn, settled)
            ask_for(conn, [entry.patient_id])
        say(f"{result}: will replace what is at the EHR")


def everything() -> None:
    """Ask for the results of every patient to be brought to the EHR, as after turning this on."""
    settings = ingesting_or_fail()
    with opened(settings.database_url) as database:
        with database.begin() as conn:
            patients = list(work_at(f"{settings.public_url}/fhir")(conn).records.ids())
            ask_for(conn, patients)
        say(f"asked for {len(patients)} patients")
