"""Writers that meet: the one that came too late tries the same again from the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError

from isodose.fhir.errors import OvertakenError
from isodose.storage.database import is_transient

ATTEMPTS = 4
T = TypeVar("T")


def run_again(attempt: Callable[[], T]) -> T:
    """What `attempt` gives, a transaction of its own each time; what lost every race is raised."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except (DBAPIError, OvertakenError) as error:
            if not _lost_race(error):
                raise
    return attempt()


def _lost_race(error: Exception) -> bool:
    return isinstance(error, IntegrityError | OvertakenError) or is_transient(error)
