"""A decision service made anew from the compacted topic of records, into an empty database."""

from __future__ import annotations

from sqlalchemy import select

from isodose.events.consumer import positions
from isodose.service import Running, Service, systems
from isodose.settings import Settings
from isodose.storage.tables import guidance
from isodose.telemetry import Telemetry


class NotEmptyError(Exception):
    """The database already holds what a service read or concluded."""


def rebuild(service: Service, settings: Settings) -> int:
    """Read the topics of the service from beginning to end, decide, store and publish; how many events.

    It reads as a group of its own, so that a service that runs meanwhile keeps its partitions; the positions
    it leaves are the service's, which goes on from there. Raises `NotEmptyError`, `LogUnavailable`.
    """
    telemetry = Telemetry()
    signals = telemetry.of(service.name, *systems(settings))
    running = Running(service, settings, signals, member_of=f"{service.name}.rebuild")
    try:
        running.database.migrate()
        with running.database.read() as conn:
            if positions(conn, service.name) or conn.execute(select(guidance).limit(1)).first():
                raise NotEmptyError
        running.open()
        handled = 0
        while not running.consumer.at_end:
            handled += running.consumer.run_once(1.0)
        while running.relay.run_once():
            pass
    finally:
        running.stop()
        telemetry.close()
    return handled
