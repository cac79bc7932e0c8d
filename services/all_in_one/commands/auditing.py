"""What an operator does by a command is audited in the transaction in which it is done."""

from __future__ import annotations

import getpass
from collections.abc import Callable

from sqlalchemy import Connection

from all_in_one.commands.speaking import audit_key_or_fail
from isodose.fhir.exchange import Deed
from isodose.security.audit import by_operator, write
from isodose.settings import Settings

Auditor = Callable[[Connection, Deed], None]


def auditor_or_fail(settings: Settings, site: str) -> Auditor:
    """Takes down what is done in the database of the service `site`, with the name of the user."""
    key, who = audit_key_or_fail(settings), getpass.getuser()

    def take_down(conn: Connection, deed: Deed) -> None:
        write(conn, [by_operator(deed, who)], site, key, settings.canonical_base)

    return take_down
