"""The command that starts one service, and how a process listens."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Callable, Iterable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from all_in_one.commands.speaking import Which, fail, service_or_fail, settings_or_fail
from isodose.clinical import terminology
from isodose.fhir.definitions import resource_types
from isodose.service import RefusalError, Running, build_app, refuse
from isodose.settings import Settings
from isodose.telemetry import configure_logging

STOP_WITHIN_S = 15
"""Requests that are being answered have so long to end once the process is told to stop."""


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
    listen(application, own, made.port, [application.state.running])


def listen(application: ASGIApp, settings: Settings, port: int, running: Iterable[Running]) -> None:
    """Serve until the process is told to stop; those who wait for something in `running` then give up."""

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
        ws="none",
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
