"""A process that a test starts and kills: one relay or one consumer at work, stalling where it is told.

    python driven.py relay   DATABASE_URL LOG_URL stall-before|stall-after|go
    python driven.py consume DATABASE_URL LOG_URL stall|go

It prints `ready` when it stands at the point where it is to be killed, and `done N` after N rows or messages.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from sqlalchemy import Connection, text

from isodose.events.consumer import Consumer
from isodose.events.contract import Event
from isodose.events.log import EventLog, Record, open_log
from isodose.events.outbox import Relay
from isodose.storage.database import Database

TOPIC = "isodose.patient-record.v1"


def stall() -> NoReturn:
    print("ready", flush=True)
    while True:
        time.sleep(60)


class Stalling:
    """A log that stalls just before or just after it has published."""

    def __init__(self, log: EventLog, where: str) -> None:
        self._log = log
        self._where = where

    def publish(self, records: Sequence[Record]) -> None:
        if self._where == "stall-before":
            stall()
        self._log.publish(records)
        if self._where == "stall-after":
            stall()


def count(conn: Connection, events: Sequence[Event]) -> None:
    """An effect that is seen to happen twice."""
    for event in events:
        conn.execute(text("INSERT INTO effect (subject) VALUES (:subject)"), {"subject": event.subject})


def main() -> None:
    what, database_url, log_url, where = sys.argv[1:5]
    database, log = Database(database_url), open_log(log_url)

    def count_and_stall(conn: Connection, events: Sequence[Event]) -> None:
        count(conn, events)
        if where == "stall":
            stall()

    done = 0
    if what == "relay":
        relay = Relay(database, Stalling(log, where))  # type: ignore[arg-type]
        print("started", flush=True)
        while not done:
            done = relay.run_once()
    else:
        consumer = Consumer("g", database, log, {TOPIC: count_and_stall}, work=lambda conn: conn)
        wanted = int(sys.argv[5])
        while done < wanted:
            done += consumer.run_once(0.2)
        consumer.close()
    log.close()
    print(f"done {done}", flush=True)


if __name__ == "__main__":
    main()
