"""Commands that read from an EHR's FHIR server: single patients, or all of a group by a Bulk Data export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from all_in_one import pulling, terminal
from all_in_one.commands.speaking import err, fail, out, say, settings_or_fail
from ehr_ingestion.bulk.request import ExportRequest
from ehr_ingestion.connection import authorization_of
from ehr_ingestion.ehr_client import EhrAwayError, EhrClient
from ehr_ingestion.pull import EXPORTED, EhrReader
from isodose.security.backend_auth import BackendToken, private_key
from isodose.settings import Settings
from isodose.storage.database import SchemaMismatch

FromEhr = Annotated[
    str, typer.Option("--from", help="FHIR base of an EHR; empty: that of the settings, with its client")
]
TokenUrl = Annotated[str, typer.Option(help="the EHR's token endpoint; empty: no token")]
ClientId = Annotated[str, typer.Option(help="as which Isodose is registered there")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="a file with the private JWK of that client")]
Scope = Annotated[str, typer.Option(help="what to ask for")]


def pull_patients(
    patients: Annotated[list[str], typer.Argument(help="ids of patients at the EHR")],
    *,
    ehr: FromEhr = "",
    token_url: TokenUrl = "",
    client_id: ClientId = "",
    key: KeyFile = None,
    scope: Scope = "system/*.rs",
    state: Annotated[Path | None, typer.Option(help="a file that keeps when each patient was read")] = None,
) -> None:
    """Read patients from the EHR's FHIR server; with --state only what changed since the last time."""
    settings = settings_or_fail()
    with _failures_told():
        base, authorization = _reached(settings, ehr, _Client(token_url, client_id, key, scope))
        reader = EhrReader(EhrClient(base, authorization))
        done = pulling.pull_all(reader, base, patients, state, settings)
    for patient_id, summary in done.items():
        withheld = f", not given: {', '.join(summary.withheld)}" if summary.withheld else ""
        refused = len(summary.refused)
        say(f"{patient_id}: {summary.kept} kept, {summary.unchanged} as before, {refused} refused{withheld}")
        for refusal in summary.refused:
            say(f"refused {refusal.place}: {refusal.reason}")
    if any(summary.refused for summary in done.values()):
        raise typer.Exit(1)


def bulk_pull(
    *,
    ehr: FromEhr = "",
    group: Annotated[str, typer.Option(help="id of the Group at the EHR whose members are read")] = "",
    system: Annotated[
        bool, typer.Option("--system", help="all that the server holds, not patients alone")
    ] = False,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="a type to ask for; by default those read")
    ] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--type-filter", help="such as Observation?status=final")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="by default the last export's instant")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="everything, although an export went before")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="give up the export that was begun, and begin another")
    ] = False,
    token_url: TokenUrl = "",
    client_id: ClientId = "",
    key: KeyFile = None,
    scope: Scope = "system/*.rs",
) -> None:
    """Read all patients, or those of a group, by a Bulk Data export; one that was begun is gone on with."""
    settings = settings_or_fail()
    request = ExportRequest(
        level="system" if system else "patients",
        group=group,
        types=tuple(types or EXPORTED),
        filters=tuple(filters or ()),
    )
    with _failures_told(), err.status("asking the EHR") as status:
        base, authorization = _reached(settings, ehr, _Client(token_url, client_id, key, scope))
        report = pulling.bulk_pull(
            pulling.host(base, authorization),
            base,
            request,
            settings,
            since=since,
            whole=whole,
            anew=anew,
            told=status.update,
        )
    terminal.show_export(out, report)
    if report.aside:
        raise typer.Exit(1)


@contextmanager
def _failures_told() -> Iterator[None]:
    """What is wrong at the EHR, with the database or with what was given, in one line."""
    try:
        yield
    except (ValueError, EhrAwayError, SchemaMismatch) as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(f"the database cannot be used: {type(error).__name__}")


@dataclass(frozen=True, slots=True)
class _Client:
    """As whom to ask an EHR that was named by hand; without a key, as nobody."""

    token_url: str
    client_id: str
    key: Path | None
    scope: str


def _reached(settings: Settings, ehr: str, client: _Client) -> tuple[str, Callable[[], Mapping[str, str]]]:
    """The FHIR base and the headers of each request: as given, or of the EHR that the settings name, whose
    token goes to no other. Raises `ValueError` for a key that cannot be read.
    """
    if not ehr:
        if not settings.ehr_fhir_url:
            fail("name an EHR: by --from, or by ISODOSE_EHR_FHIR_URL", code=2)
        return settings.ehr_fhir_url, authorization_of(settings)
    if client.key is None:
        return ehr.rstrip("/"), dict
    key = private_key(client.key)
    token = BackendToken(client.token_url, client_id=client.client_id, key=key, scope=client.scope)
    return ehr.rstrip("/"), token.header
