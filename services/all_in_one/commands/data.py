"""Commands about patients' data in files: decide on one, bring several to a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import httpx
import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from all_in_one import loading, terminal
from all_in_one.commands.speaking import (
    Day,
    ServerUrl,
    day_or_fail,
    err,
    fail,
    out,
    service_or_fail,
    settings_or_fail,
)
from all_in_one.composition import DECIDING
from isodose.assessment import Decider, assess
from isodose.fhir.errors import FhirError
from isodose.fhir.resources import parse


def assess_bundle(
    bundle: Annotated[Path, typer.Argument(help="a Bundle of R4 resources of one patient, as JSON")],
    on: Day = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the three answers as JSON")] = False,
) -> None:
    """Decide on a Bundle with all three decision services. Needs no database and stores nothing."""
    day = day_or_fail(on)
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
        fail(f"{bundle}: {error.strerror}")
    except FhirError as error:
        fail(*(f"{bundle}: {issue.diagnostics} ({', '.join(issue.expression)})" for issue in error.issues))
    if as_json:
        typer.echo(orjson.dumps(answers, option=orjson.OPT_INDENT_2).decode())
    else:
        terminal.show_answers(out, answers)


def load(
    files: Annotated[list[Path], typer.Argument(help="Bundles, single resources (.json) or .ndjson")],
    server: ServerUrl = "http://127.0.0.1:8000",
    token: Annotated[Path | None, typer.Option("--token-file", help="a file with an access token")] = None,
) -> None:
    """Bring files of FHIR resources to a server; each resource is stored or refused with a reason."""
    summaries = [loading.Summary(file=str(file)) for file in files]
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
        fail(str(error))
    terminal.show_summaries(out, summaries)
    if any(summary.refused for summary in summaries):
        raise typer.Exit(1)


def _deciders() -> dict[str, Decider]:
    settings = settings_or_fail()
    made = {name: service_or_fail(name, settings).decider for name in DECIDING}
    return {name: decider for name, decider in made.items() if decider is not None}
