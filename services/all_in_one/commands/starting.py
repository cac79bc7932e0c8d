"""Commands that start all services in one process, or a demonstration."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from all_in_one import demo as demonstration
from all_in_one.app import AllInOne
from all_in_one.commands.serving import listen
from all_in_one.commands.speaking import fail, out, say, settings_or_fail
from isodose.clinical.knowledge import KnowledgeError
from isodose.security.gate import GateError
from isodose.service import RefusalError
from isodose.settings import Settings
from isodose.telemetry import configure_logging


def up(port: Annotated[int | None, typer.Option(help="port to listen on; 8000 by default")] = None) -> None:
    """Start every service in one process, on SQLite files in ISODOSE_DATA_DIR."""
    settings = settings_or_fail()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    whole = _composed(settings)
    configure_logging(settings.log_level)
    whole.migrate()
    listen(whole, settings, 8000, whole.running().values())


def demo(
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    leave: Annotated[bool, typer.Option("--exit", help="end after the table")] = False,
) -> None:
    """Start everything on fresh files, load the sample patients and print what is proposed for each."""
    try:
        with demonstration.started(port) as address:
            patients = demonstration.load(address, out)
            out.print(demonstration.table(demonstration.rows(address, patients)))
            say(demonstration.hints(address, patients))
            if not leave:
                say("Press Ctrl-C to end.")
                signal.pause()
    except demonstration.DemonstrationError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit from None


def _composed(settings: Settings) -> AllInOne:
    try:
        return AllInOne(settings)
    except RefusalError as error:
        fail(str(error))
    except GateError as error:
        fail(f"nothing starts: {error}")
    except KnowledgeError as error:
        fail(f"knowledge does not validate: {error}")
