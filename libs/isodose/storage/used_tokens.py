"""Which tokens were used, remembered by all replicas of a service.

https://cds-hooks.hl7.org/2.0/#trusting-cds-clients
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, delete, text

from isodose.storage.database import insert
from isodose.storage.tables import used_token


def use(conn: Connection, issuer: str, jti: str, until: float) -> bool:
    """Whether this is the first use of a token that holds until then, in seconds since 1970.

    Of two replicas that ask at once one waits for the other. The commit does not wait for the disk, as a card
    would: a crash of the database may let a token of its last moment be used again.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text("SET LOCAL synchronous_commit TO off"))
    key = hashlib.sha256(f"{issuer}\n{jti}".encode()).hexdigest()
    row = {"id": key, "until": until}
    return conn.execute(insert(conn, used_token).values(row).on_conflict_do_nothing()).rowcount == 1


def forget(conn: Connection, before: float) -> int:
    """Remove tokens that held no longer than until then; how many."""
    return conn.execute(delete(used_token).where(used_token.c.until < before)).rowcount
