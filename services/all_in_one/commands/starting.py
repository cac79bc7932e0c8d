"""Commands that start services: all in one process, one alone, or a demonstration."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Annotated

import typer
import uvicorn
from starlette.types import ASGIApp

from all_in_one import demo as demonstration
from all_in_one.app import AllInOne
from all_in_one.commands.speaking import Which, fail, out, say, service_or_fail, settings_or_fail
from isodose.clinical import terminology
from isodose.clinical.knowledge import KnowledgeError
from isodose.fhir.definitions import resource_types
from isodose.security.gate import GateError
from isodose.service import RefusalError, Running, build_app, refuse
from isodose.settings import Settings
from isodose.telemetry import configure_logging

STOP_WITHIN_S = 15
"""Requests that are being answered have so long to end once the process is told to stop."""


def up(port: Annotated[int | None, typer.Option(help="port to listen on; 8000 by default")] = None) -> None:
    """Start every service in one process, on SQLite files in ISODOSE_DATA_DIR."""
    settings = settings_or_fail()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    whole = _composed(settings)
    configure_logging(settings.log_level)
    whole.migrate()
    _listen(whole, settings, 8000, whole.running().values())


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


def serve(service: Which) -> None:
    """Start one service on the database and the log that the settings name."""
    settings = settings_or_fail()
    made = service_or_fail(service, settings)
    own = settings.for_service(made.name, made.port)
    try:
        refuse(made, own)
        application = build_app(made, own)
    except RefusalError as error:
        fail(str(error))
    configure_logging(own.log_level)
    _listen(application, own, made.port, [application.state.running])


def _composed(settings: Settings) -> AllInOne:
    try:
        return AllInOne(settings)
    except RefusalError as error:
        fail(str(error))
    except GateError as error:
        fail(f"nothing starts: {error}")
    except KnowledgeError as error:
        fail(f"knowledge does not validate: {error}")


def _listen(application: ASGIApp, settings: Settings, port: int, running: Iterable[Running]) -> None:
    def leave() -> None:
        for one in running:
            one.leaving.set()

    host, port = settings.host, settings.port or port
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(f"cannot listen on {host}:{port}: {error.strerror}")
    settle()
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        forwarded_allow_ips=list(settings.proxies),
    )
    _Server(config, leave).run()


class _Server(uvicorn.Server):
    """Tells those who wait for something that the process is about to stop: uvicorn waits for them."""

    def __init__(self, config: uvicorn.Config, leave: Callable[[], None]) -> None:
        super().__init__(config)
        self._leave = leave

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._leave()
        super().handle_exit(sig, frame)


def settle() -> None:
    """Knowledge, schemas and code stay for good: the garbage collector need not look at them again and again.

    A full collection over them takes 0.1 to 0.3 s (measured), in which no thread answers. One decision makes
    some ten thousand objects that die young: looking at each thousand of them costs a fifth of the decision.
    """
    terminology.load_all()
    resource_types()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
