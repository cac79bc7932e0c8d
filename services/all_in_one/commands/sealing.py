"""The command that seals the headers of Subscriptions with a new key."""

from __future__ import annotations

from all_in_one.commands.speaking import databases, fail, say, settings_or_fail
from ehr_ingestion.subscribers import registry
from ehr_ingestion.subscribers.sealing import SealedError, sealing_of
from isodose.security.gate import GateError


def reseal_headers() -> None:
    """Seal the headers of all Subscriptions with the first key of ISODOSE_SUBSCRIBER_KEY_FILE."""
    settings = settings_or_fail()
    try:
        sealing = sealing_of(settings)
        for name, database in databases("ehr_ingestion"):
            with database.begin() as conn:
                many = registry.reseal(conn, sealing.sealed)
            say(f"{name}: the headers of {many} Subscriptions are sealed anew")
    except (GateError, SealedError) as error:
        fail(f"nothing was sealed: {error}")
